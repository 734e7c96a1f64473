//go:build linux

package linux

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestParseCgroup(t *testing.T) {
	const hybrid = "9:name=systemd:/\n3:cpu,cpuacct:/a:b\n4:memory:/user\n" +
		"0::/unified\nshort\n"
	for _, test := range []struct {
		cgroups, controller, path string
		version                   int
	}{
		{"0::/user.slice\n", "memory", "/user.slice", 2},
		{hybrid, "memory", "/user", 1},
		{hybrid, "cpuacct", "/a:b", 1},
		{hybrid, "cpu", "/a:b", 1},
		{hybrid, "pids", "/unified", 2},
		{"4:memory:/user\n", "pids", "", 0},
		{"", "memory", "", 0},
	} {
		path, version := ParseCgroup(test.cgroups, test.controller)
		assert.Equal(t, test.path, path, test)
		assert.Equal(t, test.version, version, test)
	}
}

func TestCgroupMounts(t *testing.T) {
	mounts := ParseMounts("" +
		"40 30 0:1 / /sys/fs/cgroup/cpu rw - cgroup none rw,cpu,cpuacct\n" +
		"41 30 0:2 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n")
	require.Len(t, mounts, 2)
	assert.True(t, mounts[0].hasCgroups(1, "cpuacct"))
	assert.False(t, mounts[0].hasCgroups(1, "acct"))
	assert.False(t, mounts[0].hasCgroups(2, "cpu"))
	assert.True(t, mounts[1].hasCgroups(2, "memory"))
	assert.False(t, mounts[1].hasCgroups(1, "memory"))
}

func TestCgroupDirs(t *testing.T) {
	at := t.TempDir()
	for _, name := range []string{"/a/b/own", "/a/c/own", "/d"} {
		require.NoError(t, os.MkdirAll(at+name, 0o755))
	}
	for _, test := range []struct {
		root, path string
		want       []string
	}{
		{"/", "/", []string{at}},
		{"/", "/a/b", []string{at + "/a/b"}},
		{"/a", "/a", []string{at}},
		{"/a", "/a/b", []string{at + "/b"}},
		{"/a", "/ab", nil},
		{"/a", "/", nil},
		{"/", "/../other", nil},
		{"/../../..", "/", []string{at + "/a/b/own", at + "/a/c/own"}},
		{"/../..", "/own", []string{at + "/a/b/own", at + "/a/c/own"}},
		{"/../other", "/", nil},
	} {
		mount := Mount{Point: at, Root: test.root}
		assert.Equal(t, test.want, cgroupDirs(mount, test.path), test)
	}
}

// Only the names of runs are those of leftovers. A service or a container of somebody
// else may have a name that is like them.
func TestIsCgroupOfRun(t *testing.T) {
	assert.True(t, IsCgroupOfRun(NewCgroupName()))
	assert.True(t, IsCgroupOfRun("nsteps-run-0123abcd"))
	for _, name := range []string{
		"", "nsteps", "nsteps-run-", "nsteps-demo", "nsteps-1234", "nsteps-run-0123abc",
		"nsteps-run-0123abcd.service", "nsteps-run-0123ABCD", "my-nsteps-run-0123abcd",
	} {
		assert.False(t, IsCgroupOfRun(name), name)
	}
}

// A leftover can be locked once, and something that isn't there not at all.
func TestLockDir(t *testing.T) {
	dir := t.TempDir()
	lock, err := LockDir(dir)
	require.NoError(t, err)
	_, err = LockDir(dir)
	assert.ErrorIs(t, err, unix.EWOULDBLOCK)
	lock.Close()
	lock, err = LockDir(dir)
	require.NoError(t, err)
	lock.Close()
	_, err = LockDir(dir + "/none")
	assert.ErrorIs(t, err, unix.ENOENT)
}
