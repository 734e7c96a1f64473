//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "step4-net") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "step4-net") }
