//go:build linux

package main

import (
	"os/exec"
	"testing"

	"nsteps/internal/steptest"
)

// Ctrl-C and Ctrl-Z are for the command, which keeps the terminal.
func TestTraceTerminal(t *testing.T) {
	steptest.NeedsHost(t)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("SKIPPED: needs strace")
	}
	s := steptest.OpenShell(t)
	trace := steptest.Bin("workshop") + " trace "
	s.Type(trace + "cat\n")
	s.Type("word\n")
	s.Expect(`word\n(?s:.*)word\n`)
	s.Type(steptest.CtrlZ)
	s.Expect("Stopped")
	s.Type("fg\n")
	s.Expect("trace cat")
	s.Type("again\n")
	s.Expect(`again\n(?s:.*)again\n`)
	s.Type(steptest.CtrlC)
	s.Expect(`host> $`)
	s.AssertStatus("130")
	s.Type(trace + "unshare --pid --fork bash --norc\n")
	s.Expect(`execve \S+bash\n`)
	s.Type("echo is $$\n")
	s.Expect(`is 1\n`)
	s.Type("exit 4\n")
	s.Expect(`exit\nhost> $`)
	s.AssertStatus("4")
}
