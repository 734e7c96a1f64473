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
	_, err = r.KeepDir("there", like)
	assert.ErrorIs(t, err, ErrChanged, "Mkdir hasn't made it")

	_, err = r.Mkdir("mine")
	require.NoError(t, err)
	require.NoError(t, os.Rename(dir+"/mine", dir+"/away"))
	require.NoError(t, os.Mkdir(dir+"/mine", 0o711))
	_, err = r.KeepDir("mine", like)
	assert.ErrorIs(t, err, ErrChanged)
	info, err = os.Stat(dir + "/mine")
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|0o711, info.Mode())
}

// The run after one that was killed or stopped finishes the directories of that one, and
// no other run takes a directory for such a one.
func TestUnfinishedDirectories(t *testing.T) {
	dir := t.TempDir()
	like := &syscall.Stat_t{
		Mode: unix.S_IFDIR | 0o755, Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid()),
	}
	open := func() *Root {
		r, err := Open(dir)
		require.NoError(t, err)
		require.NoError(t, r.Begin())
		return r
	}
	require.NoError(t, os.Mkdir(dir+"/private", 0o700))
	r := open()
	made, err := r.Mkdir("private")
	require.NoError(t, err)
	assert.False(t, made)
	made, err = r.Mkdir("tree")
	require.NoError(t, err)
	assert.True(t, made)
	r.Stop()
	_, err = r.KeepDir("tree", like)
	assert.ErrorIs(t, err, ErrStopped)
	require.NoError(t, r.Close())

	require.NoError(t, os.Mkdir(dir+"/open", 0o711))
	r = open()
	made, err = r.Mkdir("open")
	require.NoError(t, err)
	assert.False(t, made)
	made, err = r.Mkdir("tree")
	require.NoError(t, err)
	assert.True(t, made)
	_, err = r.KeepDir("tree", like)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.NoFileExists(t, dir+"/"+prefix)
	info, err := os.Stat(dir + "/tree")
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|0o755, info.Mode())
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
	require.NoError(t, unix.Mknod(dir+"/dev/"+prefix+"null", unix.S_IFCHR, int(null)))
	var left []string
	require.NoError(t, r.Leftovers(func(name string, remove func() error) {
		left = append(left, name)
		assert.NoError(t, remove())
	}))
	assert.Equal(t, []string{dir + "/dev/" + prefix + "null"}, left)
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
