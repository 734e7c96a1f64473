//go:build exercise && linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

// Exercise 6, the jail: with -m, /tmp in the jail is a tmpfs of its own.
func TestExerciseTmp(t *testing.T) {
	steptest.Exercise(t)
	jail := fillJail(t)
	const look = ` sh -c 'grep " /tmp " /proc/self/mounts; ls /tmp; touch /tmp/from-inside; true'`

	// At first the jail has no /tmp, then it has one with a file of the host.
	line := "step6-chroot -pmc " + jail + look
	for range 2 {
		output := steptest.Try(t, line)
		if !regexp.MustCompile(`(?m)^\S+ /tmp tmpfs `).MatchString(output) {
			steptest.Missing(t, "a line with /tmp tmpfs: the mount in the jail", line, output)
		}
		if strings.Contains(output, "on-the-host") {
			steptest.Missing(t, "a /tmp without the files of the jail", line, output)
		}
		if os.Remove(jail+"/tmp/from-inside") == nil {
			steptest.Missing(t, "a /tmp that ends with the command: a file that the "+
				"command made there is in the jail", line, output)
		}
		require.NoError(t, os.MkdirAll(jail+"/tmp", 0o755))
		require.NoError(t, os.WriteFile(jail+"/tmp/on-the-host", nil, 0o644))
	}
	line = "step6-chroot -pmc " + jail + " stat --format %A /tmp"
	if output := steptest.Try(t, line); !strings.Contains(output, "drwxrwxrwt") {
		steptest.Missing(t, "the mode 1777: all users may create files in /tmp", line, output)
	}

	// Without -m a mount would be the host's, and without -c it would hide the host's /tmp.
	line = "step6-chroot -c " + jail + " ls /tmp"
	if output := steptest.Try(t, line); !strings.Contains(output, "on-the-host") {
		steptest.Missing(t, "the condition that -m is given", line, output)
	}
	file, err := os.CreateTemp("/tmp", "on-the-host")
	require.NoError(t, err)
	defer os.Remove(file.Name())
	file.Close()
	line = "step6-chroot -pm ls /tmp"
	if output := steptest.Try(t, line); !strings.Contains(output, "on-the-host") {
		steptest.Missing(t, "the condition that -c is given: without it, the command "+
			"keeps the host's /tmp", line, output)
	}
}

// Exercise 6, the escape: pivot_root(2) in place of chroot(2), so the escape of chapter 6
// ends in the jail.
func TestExerciseEscape(t *testing.T) {
	steptest.Exercise(t)
	jail := fillJail(t)
	buildEscape(t, jail+"/escape")

	line := "step6-chroot -pmc " + jail +
		" /escape -c '[ -e /escape ] && echo in the jail || echo on the host'"
	output := steptest.Try(t, line+" || true")
	switch {
	case output == "in the jail\n":
	case strings.Contains(output, "mount proc on /proc: operation not permitted"):
		steptest.Missing(t, "the order that a user namespace needs: the kernel allows a "+
			"new proc only while an old one can be seen, so unmount the old root "+
			"directory after that", line, output)
	default:
		steptest.Missing(t, "the end of the escape in the jail", line, output)
	}
	line = "step6-chroot -pmc " + jail + " cat /proc/self/mounts"
	if output = steptest.Try(t, line); strings.Count(output, "\n") != 2 {
		steptest.Missing(t, "a list with only two mounts, / and /proc: unmount the old "+
			"root directory", line, output)
	}
	line = "step6-chroot -pmc " + jail + " sh -c pwd"
	if output = steptest.Try(t, line); output != "/\n" {
		steptest.Missing(t, "the working directory /", line, output)
	}

	// Without -m, the list of mounts is the host's, here one that unshare makes. The step
	// may refuse, call chroot(2), or create a MNT namespace for -c alone.
	line = "unshare --mount sh -c '{ step6-chroot -c " + jail + " sh -c true; " +
		"[ -e " + jail + " ] && echo host; } 2>&1'"
	output = steptest.Try(t, line+" || true")
	if !strings.HasSuffix(output, "host\n") {
		steptest.Missing(t, "a host that keeps its root directory: without -m, "+
			"pivot_root(2) changes the host's list of mounts", line, output)
	}
}

// fillJail returns a new jail with a few programs.
func fillJail(t *testing.T) string {
	t.Helper()
	jail := t.TempDir()
	t.Cleanup(func() { // what a faulty step mounts on the host
		for _, dir := range []string{"/tmp", "/proc", "/"} {
			unix.Unmount(jail+dir, unix.MNT_DETACH)
		}
	})
	out, err := exec.Command("binlibdepcp", "-q", "sh", "cat", "grep", "ls",
		"stat", "touch", jail).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return jail
}

// buildEscape builds the program with which chapter 6 leaves the jail, from its page.
func buildEscape(t *testing.T, program string) {
	t.Helper()
	pages, err := filepath.Glob("../docs/6-*.md")
	require.NoError(t, err)
	source := regexp.MustCompile("(?s)\ncat >escape.go <<'END'\n(.*?)\nEND\n")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		if match := source.FindSubmatch(text); match != nil {
			file := t.TempDir() + "/escape.go"
			require.NoError(t, os.WriteFile(file, match[1], 0o644))
			build := exec.Command("go", "build", "-trimpath", "-o", program, file)
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			out, err := build.CombinedOutput()
			require.NoError(t, err, "%s", out)
			return
		}
	}
	t.Fatal("no page docs/6-*.md has the program escape.go")
}
