//go:build linux

package main

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step10-overlay", "beyond/step7-user", "beyond/step8-pivot",
		"binlibdepcp")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step10-overlay") }

// Every option works without the others, but --root needs --mnt, and --overlay --root.
func TestEverySubset(t *testing.T) {
	steptest.NeedsHost(t)
	if !linux.InInitialUser() && !steptest.Kernel(5, 11) {
		t.Skip("SKIPPED: before Linux 5.11, only root may mount an overlay")
	}
	image := t.TempDir() + "/img"
	out, err := exec.Command(steptest.Bin("binlibdepcp"), "-q", "true",
		image).CombinedOutput()
	require.NoError(t, err, string(out))
	options := []string{"-p", "-m", "-o", "-r " + image}
	steptest.EverySubset(t, nil, "step10-overlay", options, func(subset []string) string {
		switch {
		case slices.Contains(subset, "-r") && !slices.Contains(subset, "-m"):
			return "--root needs --mnt"
		case slices.Contains(subset, "-o") && !slices.Contains(subset, "-r"):
			return "--overlay needs --root"
		}
		return ""
	})
}

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
