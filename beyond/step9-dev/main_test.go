//go:build linux

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step9-dev", "beyond/step7-user", "step4-net", "binlibdepcp",
		"internal/steptest/filter")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step9-dev") }

// Every option works without the others, but --root needs --mnt, and --dev needs --root.
func TestEverySubset(t *testing.T) {
	steptest.NeedsHost(t)
	image := t.TempDir() + "/img"
	out, err := exec.Command(steptest.Bin("binlibdepcp"), "-q", "true",
		image).CombinedOutput()
	require.NoError(t, err, string(out))
	options := []string{"-p", "-m", "-d", "-r " + image}
	steptest.EverySubset(t, nil, "step9-dev", options, func(subset []string) string {
		switch {
		case slices.Contains(subset, "-r") && !slices.Contains(subset, "-m"):
			return "--root needs --mnt"
		case slices.Contains(subset, "-d") && !slices.Contains(subset, "-r"):
			return "--dev needs --root"
		}
		return ""
	})
}

// The terminal of the step is /dev/console, also in a root file system inside another.
// New terminals are those of the new /dev/pts.
func TestConsole(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	out, err := exec.Command("sh", "-c", `cd "$0" && mkdir img &&
		binlibdepcp -q sh tty script chmod img && cp "$1" img/step9-dev &&
		binlibdepcp -q tty img/img`, dir, steptest.Bin("step9-dev")).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, test := range []struct{ command, want string }{
		{"exec tty", "/dev/console\n"},
		{"script -qec tty /dev/null", "/dev/pts/0\n"},
		{"chmod 600 /dev/console 2>&1", "Read-only file system"},
		{"exec /step9-dev -pmdr img tty", "/dev/console\n"},
		{"exec tty <&2 >&2' >none <none #", "/dev/console\n"},
	} {
		cmd := exec.Command("script", "-qec",
			"step9-dev -pmdr img sh -c '"+test.command+"'", "/dev/null")
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		assert.Contains(t, strings.ReplaceAll(string(out), "\r", ""), test.want, test.command)
	}
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	out, err := exec.Command(steptest.Bin("binlibdepcp"), "-q", "sleep",
		dir+"/img").CombinedOutput()
	require.NoError(t, err, string(out))
	kill := func(name string, command ...string) {
		t.Run(name, func(t *testing.T) { steptest.KillAtAnyTime(t, dir, command...) })
	}
	kill("root", "step9-dev", "-pmdr", "img", "sleep", "86400")
	kill("user", "step7-user", "-U", "root", steptest.Bin("step9-dev"), "-pmdr", "img",
		"sleep", "86400")
}
