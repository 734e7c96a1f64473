//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "step3-uts") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "step3-uts") }
