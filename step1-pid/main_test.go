//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "step1-pid") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "step1-pid") }
