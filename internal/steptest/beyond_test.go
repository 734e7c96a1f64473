//go:build linux

package steptest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A program asks Start for more than namespaces.
func TestStartMore(t *testing.T) {
	NeedsHost(t)
	out, status := shell(t, "exec beyond -a grep CapAmb /proc/self/status")
	assert.Equal(t, 0, status)
	assert.Equal(t, "CapAmb:\t0000000000040000\n", out)

	// clone3(2) refuses a descriptor of another file system.
	out, status = shell(t, "exec beyond -pg / true")
	assert.Equal(t, 125, status)
	assert.Regexp(t, `^beyond: clone CLONE_NEWPID\|CLONE_INTO_CGROUP: bad file descriptor\n$`, out)
}

func TestStartInCgroup(t *testing.T) {
	NeedsHost(t)
	mount := t.TempDir()
	if err := unix.Mount("none", mount, "cgroup2", 0, ""); err != nil {
		t.Skipf("SKIPPED: needs to mount a cgroup2: %v", err)
	}
	defer unix.Unmount(mount, unix.MNT_DETACH)
	dir, err := os.MkdirTemp(mount, "nsteps-test-")
	if err != nil {
		t.Skipf("SKIPPED: needs a cgroup that may have others below it: %v", err)
	}
	defer os.Remove(dir)
	out, status := shell(t, "exec beyond -pg "+dir+" grep ^0: /proc/self/cgroup")
	assert.Equal(t, 0, status)
	assert.True(t, strings.HasSuffix(out, strings.TrimPrefix(dir, mount)+"\n"), out)
}

// If the parent can't set the child up, it ends the child, and there is one error, with
// the program's own hint.
func TestAbort(t *testing.T) {
	NeedsHost(t)
	before := Snapshot()
	for _, options := range []string{"-f", "-pf"} {
		out, status := shell(t, "exec beyond "+options+" sh -c 'echo started'")
		assert.Equal(t, 125, status)
		assert.Regexp(t,
			`^beyond: write map /proc/[0-9]+/uid_map: operation not permitted\n`+
				`  a hint of the program: beyond `+options+` sh -c 'echo started'\n$`,
			out)
	}
	out, status := shell(t, "exec beyond -vpf true")
	assert.Equal(t, 125, status)
	assert.Contains(t, out,
		"\nParent: ended the child, which can't be set up\nbeyond: write map ")
	assert.NotContains(t, out, "Child:")

	// A child that a signal has ended can't be set up: the error is the signal.
	out, status = shell(t, "exec beyond -pi true")
	assert.Equal(t, 130, status)
	assert.Equal(t,
		"beyond: stopped by signal 2 (interrupt) before the command began\n", out)
	Compare(t, before)
}

// The option -v shows all namespaces that differ, not only those that Start was asked
// for.
func TestDifferentNamespaces(t *testing.T) {
	NeedsHost(t)
	cmd := exec.Command("sh", "-c", "exec beyond -vt readlink /proc/self/ns/time")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if strings.Contains(stderr.String(), "CLONE_NEWTIME: ") ||
		strings.Contains(stderr.String(), "clone child: invalid argument") {
		t.Skipf("SKIPPED: needs TIME namespaces that clone(2) with CLONE_VM may enter: "+
			"%s", stderr.String())
	}
	require.NoError(t, err, stderr.String())
	assert.Equal(t, 1, strings.Count(stderr.String(), " -> "), stderr.String())
	assert.Regexp(t, `(?m)^Parent: time:\[[0-9]+\] -> `+strings.NewReplacer("[", `\[`,
		"]", `\]`).Replace(strings.TrimSpace(string(stdout)))+"$", stderr.String())
}
