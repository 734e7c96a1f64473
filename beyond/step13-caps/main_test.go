//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step13-caps", "beyond/step7-user", "step1-pid", "step2-mnt",
		"internal/steptest/filter")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step13-caps") }

// Every option works without the others, and in a USER namespace.
func TestEverySubset(t *testing.T) {
	steptest.NeedsHost(t)
	for _, as := range [][]string{nil, {"step7-user", "-U", "root"}} {
		steptest.EverySubset(t, as, "step13-caps", []string{"-p", "-m", "-l"},
			func([]string) string { return "" })
	}
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	steptest.KillAtAnyTime(t, "", "step13-caps", "-ml", "sleep", "86400")
	steptest.KillAtAnyTime(t, "", "step7-user", "-U", "root", steptest.Bin("step13-caps"),
		"-ml", "sleep", "86400")
}
