//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/bundle", "step5-ipc", "binlibdepcp")
}

func TestScripts(t *testing.T) { steptest.ScriptsIn(t, "testdata") }
