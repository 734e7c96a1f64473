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

// Every option works without the others, and in a USER namespace.
func TestEverySubset(t *testing.T) {
	steptest.NeedsHost(t)
	if !steptest.Kernel(6, 6) {
		t.Skip("SKIPPED: needs a kernel on which no copy of the step enters first")
	}
	for _, as := range [][]string{nil, {"step7-user", "-U", "root"}} {
		steptest.EverySubset(t, as, "step15-time", []string{"-p", "-t 24h"},
			func([]string) string { return "" })
	}
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	steptest.KillAtAnyTime(t, "", "step15-time", "-t", "24h", "sleep", "86400")
	steptest.KillAtAnyTime(t, "", "copy", "sleep", "86400")
	steptest.KillAtAnyTime(t, "", "step7-user", "-U", "root", steptest.Bin("step15-time"),
		"-t", "24h", "sleep", "86400")
}
