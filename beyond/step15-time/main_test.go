//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step15-time", "beyond/step15-time/testdata/copy",
		"beyond/step7-user", "beyond/step13-caps", "step2-mnt")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step15-time") }

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	steptest.KillAtAnyTime(t, "", "step15-time", "-t", "24h", "sleep", "86400")
	steptest.KillAtAnyTime(t, "", "copy", "sleep", "86400")
	steptest.KillAtAnyTime(t, "", "step7-user", "-U", "root", steptest.Bin("step15-time"),
		"-t", "24h", "sleep", "86400")
}
