//go:build linux

package jail

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A new directory is the caller's alone until KeepDir gives it another one's mode and
// times. One that is there stays as it is; a link leads to no place outside.
func TestDirectoriesOfTrees(t *testing.T) {
	host, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(dir+"/there", 0o711))
	require.NoError(t, os.Symlink(host, dir+"/out"))
	require.NoError(t, os.Symlink("there", dir+"/in"))
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o644))
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()

	made, err := r.Mkdir("/new/deep")
	require.NoError(t, err)
	assert.True(t, made)
	info, err := os.Stat(dir + "/new/deep")
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|0o700, info.Mode())
	for _, name := range []string{"there", "in", "new/deep", "/"} {
		made, err = r.Mkdir(name)
		assert.NoError(t, err, name)
		assert.False(t, made, name)
	}
	_, err = r.Mkdir("file")
	assert.ErrorIs(t, err, unix.ENOTDIR)
	_, _ = r.Mkdir("out/escaped")
	entries, err := os.ReadDir(host)
	require.NoError(t, err)
	assert.Empty(t, entries)

	like := &syscall.Stat_t{
		Mode: unix.S_IFDIR | 0o1751, Uid: uint32(os.Getuid()),
		Gid: uint32(os.Getgid()), Mtim: syscall.Timespec{Sec: 1000000000, Nsec: 7},
	}
	dropped, err := r.KeepDir("new/deep", like)
	require.NoError(t, err)
	assert.Empty(t, dropped)
	info, err = os.Stat(dir + "/new/deep")
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|os.ModeSticky|0o751, info.Mode())
	assert.Equal(t, int64(1000000000000000007), info.ModTime().UnixNano())
	_, err = r.KeepDir("in", like)
	assert.ErrorIs(t, err, unix.ENOTDIR, "a link isn't followed")
}

// A device replaces what is there, but for the same device, and -n keeps any.
func TestMakeDevice(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	null := unix.Mkdev(1, 3)
	err = r.Device("dev/null", unix.S_IFCHR|0o666, null)
	if unix.Mknod(filepath.Join(dir, "try"), unix.S_IFCHR|0o600, int(null)) != nil {
		assert.ErrorIs(t, err, unix.EPERM)
		t.Skip("SKIPPED: only the host's root makes devices")
	}
	require.NoError(t, err)
	stat := func() *syscall.Stat_t {
		info, err := os.Lstat(dir + "/dev/null")
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t)
	}
	first := stat()
	assert.EqualValues(t, unix.S_IFCHR|0o666, first.Mode, "whatever the umask")
	assert.EqualValues(t, null, first.Rdev)
	require.NoError(t, r.Device("dev/null", unix.S_IFCHR|0o666, null))
	assert.Equal(t, first.Ino, stat().Ino)
	require.NoError(t, r.Device("dev/null", unix.S_IFCHR|0o666, unix.Mkdev(1, 5)))
	assert.EqualValues(t, unix.Mkdev(1, 5), stat().Rdev)
	r.NoClobber = true
	assert.ErrorIs(t, r.Device("dev/null", unix.S_IFCHR|0o666, null), os.ErrExist)
}
