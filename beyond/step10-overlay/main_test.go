//go:build linux

package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step10-overlay", "beyond/step7-user", "beyond/step8-pivot",
		"binlibdepcp")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step10-overlay") }

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	if !steptest.Kernel(5, 11) {
		t.Skip("SKIPPED: a USER namespace may mount an overlay from Linux 5.11 on")
	}
	dir := t.TempDir()
	out, err := exec.Command(steptest.Bin("binlibdepcp"), "-q", "sleep",
		dir+"/img").CombinedOutput()
	require.NoError(t, err, string(out))
	kill := func(name string, command ...string) {
		t.Run(name, func(t *testing.T) { steptest.KillAtAnyTime(t, dir, command...) })
	}
	kill("root", "step10-overlay", "-pmor", "img", "sleep", "86400")
	kill("user", "step7-user", "-U", "root", steptest.Bin("step10-overlay"), "-pmor", "img",
		"sleep", "86400")
}
