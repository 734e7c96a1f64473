//go:build linux

package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
	"nsteps/internal/linux"
)

// Any process that can open a cgroup can lock it.
func TestLock(t *testing.T) {
	g := New("test")
	l := Limit{Dir: t.TempDir() + "/cgroup"}
	assert.ErrorIs(t, g.Lock(l), unix.EAGAIN, "no directory")
	require.NoError(t, os.Mkdir(l.Dir, 0o755))
	other, err := linux.LockDir(l.Dir)
	require.NoError(t, err)
	err = g.Lock(l)
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.NotErrorIs(t, err, unix.EAGAIN)
	assert.NoDirExists(t, l.Dir)
	other.Close()
	require.NoError(t, os.Mkdir(l.Dir, 0o755))
	assert.NoError(t, g.Lock(l))
	assert.NoError(t, g.Lock(l), "twice")
	g.Remove()
	assert.NoDirExists(t, l.Dir)
}

func TestParentFor(t *testing.T) {
	mount := filepath.Join(t.TempDir(), "mount")
	user := mount + "/user"
	require.NoError(t, os.MkdirAll(user, 0o755))
	for _, dir := range []string{mount, user} {
		require.NoError(t, os.WriteFile(dir+"/cgroup.procs", nil, 0o644))
	}
	for _, test := range []struct {
		own  linux.Cgroup
		want string
	}{
		{linux.Cgroup{Dir: user, Path: "/user", Version: 1}, user},
		{linux.Cgroup{Dir: user, Path: "/user", Version: 2}, mount},
		{linux.Cgroup{Dir: mount, Path: "/", Version: 2}, mount},
		// A bind mount shows the tree from the process's own cgroup down. Its directory's
		// parent is no cgroup.
		{linux.Cgroup{Dir: mount, Path: "/user", Version: 2}, mount},
	} {
		assert.Equal(t, test.want, parentFor(test.own), "%v", test.own)
	}
}

func TestInVersion(t *testing.T) {
	for _, test := range []struct{ file, value, want string }{
		{"memory.max", "64M", "memory.limit_in_bytes=64M "},
		{"memory.max", "max", "memory.limit_in_bytes=-1 "},
		{"memory.swap.max", "0", "memory.swappiness=0 "},
		{"memory.swap.max", "100", "memory.swap.max=100 "},
		{"cpu.max", "50000 100000", "cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000 "},
		{"cpu.max", "50000", "cpu.cfs_quota_us=50000 "},
		{"cpu.max", "max", "cpu.cfs_quota_us=-1 "},
		{"pids.max", "max", "pids.max=max "},
		{"cpu.shares", "512", "cpu.shares=512 "},
	} {
		got := ""
		for _, l := range (Limit{File: test.file, Value: test.value, version: 1}).inVersion() {
			got += l.File + "=" + l.Value + " "
		}
		assert.Equal(t, test.want, got)
		l := Limit{File: test.file, Value: test.value, version: 2}
		assert.Equal(t, []Limit{l}, l.inVersion())
	}
}

func TestSize(t *testing.T) {
	for value, want := range map[string]uint64{
		"10": 10, "0": 0, "64M": 64 << 20, "64m": 64 << 20, "2K": 2048, "1g": 1 << 30,
		"0x10": 16,
	} {
		n, ok := size(value)
		assert.True(t, ok, value)
		assert.Equal(t, want, n, value)
	}
	for _, value := range []string{"max", "", "M", "1MM", "-1", "5 10", "1.5G"} {
		_, ok := size(value)
		assert.False(t, ok, value)
	}
}

func TestCheck(t *testing.T) {
	for _, option := range []string{
		"memory.max=64M", "memory.max=8M", "memory.max=max", "pids.max=10", "pids.max=max",
		"io.max=8:0 rbps=1", "cpuset.cpus=0,2", "hugetlb.2MB.max=0", "memory.limit_in_bytes=8M",
	} {
		assert.NoError(t, Check(nil, []string{option}), option)
	}
	for option, want := range map[string]string{
		"": `not ""`, "memory.max": "takes file=value", "=1": `not ""`,
		"memory.max=": "takes file=value", "a/../b=1": "a limit is a file",
		"/sys/fs/cgroup/memory.max=1": "a limit is a file",
		"../pids.max=1":               "a limit is a file",
		"tasks=1":                     "a limit is a file", ".max=1": "a limit is a file",
		"memory.=1": "a limit is a file", "cgroup.procs=1": "no limit",
		"cgroup.freeze=1": "no limit", "freezer.state=FROZEN": "no limit",
		"pids.max=9": "at least 10", "pids.max=0": "at least 10",
		"memory.max=7M":  "at least 8M",
		"memory.high=1K": "at least 8M", "memory.limit_in_bytes=0": "at least 8M",
	} {
		assert.ErrorContains(t, Check(nil, []string{"pids.max=20", option}), want, option)
	}
}

// What the tests of the step can't provoke on every machine.
func TestHints(t *testing.T) {
	facts := &cause.Facts{Args: []string{"step12-cgroup", "-g", "cpuset.cpus=0", "sh"}}
	for _, test := range []struct {
		operation, object string
		errno             unix.Errno
		id, command       string
	}{
		{"move the child to", "/sys/fs/cgroup/cpuset/a", unix.ENOSPC, "cgroup-cpuset", ""},
		{"unshare", "CLONE_NEWCGROUP", unix.EINVAL, "kernel-cgroup", "ls /proc/self/ns"},
	} {
		got := facts.Explain(test.operation, test.object, test.errno, Hints...)
		assert.Equal(t, test.id, got.ID, "%v", test)
		assert.Equal(t, test.command, got.Command, "%v", test)
		assert.NotEmpty(t, got.Text)
	}
}
