//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

// overlay returns a file for go build -overlay, by which the module has a step more,
// below beyond: a directory, and an entry in the list.
func overlay(t *testing.T) string {
	t.Helper()
	module, err := filepath.Abs("..")
	require.NoError(t, err)
	dir, replace := t.TempDir(), map[string]string{}
	put := func(name, text string) {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		replace[filepath.Join(module, name)] = file
	}
	edit := func(name, before, after string) string {
		text, err := os.ReadFile(filepath.Join(module, name))
		require.NoError(t, err)
		require.Contains(t, string(text), before)
		return strings.ReplaceAll(string(text), before, after)
	}
	const last = `"step5-ipc", "6-chroot"},`
	put("steps.go", edit("steps.go", last, last+`
	{99, "moon", "step99-moon", "beyond/step99-moon", "step4-net", "99-moon"},`))
	put("beyond/step99-moon/main.go", edit("step4-net/main.go", "step4-net",
		"step99-moon")+"\n// imaginary\n")
	const source = "beyond/step99-moon/main.go"
	text, _ := exec.Command("diff", "-u", "--label", "step4-net/main.go",
		"--label", source,
		// status 1: they differ
		"../step4-net/main.go", replace[filepath.Join(module, source)]).Output()
	put("docs/diff/step99-moon.diff", string(text))
	text, err = json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	return file
}

// A new step is a directory, a chapter, and an entry in the list of steps: all that goes
// through the list takes it in.
func TestImaginaryStep(t *testing.T) {
	steptest.NeedsHost(t)
	overlay, bin := overlay(t), t.TempDir()
	build := exec.Command("go", "build", "-overlay", overlay, "-tags",
		"urfave_cli_no_docs", "-ldflags", "-s -w", "-o", bin, "./workshop",
		"./beyond/step99-moon")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))

	stdout, _, _ := workshop(t, "/", "diff", "moon")
	assert.True(t, strings.HasPrefix(stdout,
		"--- step4-net/main.go\n+++ beyond/step99-moon/main.go\n"), stdout)
	assert.Contains(t, stdout, "\n+// imaginary\n")
	stdout, _, _ = workshop(t, "/", "doctor")
	assert.Regexp(t, `(?m)^step99-moon +can$`, stdout)
	r := enter(t, "/", "step99-moon", "-pu", "box")
	stdout, _, _ = workshop(t, "/", "verify", "3")
	assert.Regexp(t, `^process \d+, sh, started by step99-moon `, stdout)
	_, stderr, status := workshop(t, "/", "verify", "99")
	assert.Equal(t, 125, status)
	assert.Contains(t, stderr, "workshop: no exercise for step99-moon\n",
		"it needs a goal")
	stdout, _, _ = workshop(t, "/", "ns", "--json")
	assert.Contains(t, stdout, `"inside":1,"command":"sh"`)
	stdout, _, _ = workshop(t, "/", "cleanup")
	assert.NotContains(t, stdout, "step99-moon")
	r.stop()

	r = enter(t, "/", "step99-moon")
	r.types("sleep 1000 >/dev/null </dev/null 2>&1 & echo $! >" +
		filepath.Join(bin, "pid"))
	r.stop()
	pid, err := os.ReadFile(filepath.Join(bin, "pid"))
	require.NoError(t, err)
	stdout, _, _ = workshop(t, "/", "cleanup")
	assert.Regexp(t,
		`left: process \d+, sleep: it has outlived its step99-moon; to end it: kill \d+`,
		stdout)
	require.NoError(t, exec.Command("kill", strings.TrimSpace(string(pid))).Run())

	neighbours := exec.Command("go", "test", "-count=1", "-overlay", overlay, "-run",
		"TestNeighbours", "./internal/steptest")
	neighbours.Dir = ".."
	// It reads sources only, and must not take this host for its own.
	neighbours.Env = append(os.Environ(), "NSTEPS_TEST_HOST=",
		"NSTEPS_TEST_REFUSED=it needs none")
	out, err = neighbours.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "TestNeighbours/step99-moon",
		"it has no limit yet: %s", out)
}
