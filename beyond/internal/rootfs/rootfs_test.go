//go:build linux

package rootfs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
)

// A link is followed as a process inside would follow it.
func TestOpenAt(t *testing.T) {
	image := t.TempDir()
	for _, dir := range []string{"a/b", "etc", "..c"} {
		require.NoError(t, os.MkdirAll(filepath.Join(image, dir), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(image, "file"), nil, 0o644))
	for name, target := range map[string]string{
		"absolute": "/etc", "above": "../../../etc", "a/up": "../etc", "a/b/top": "/a",
		"chain": "a/up", "loop": "loop", "dangling": "/nonesuch", "a/slash": "/",
		"tofile": "file",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(image, name)))
	}
	root, err := unix.Open(image, unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(root)
	for name, want := range map[string]string{
		"/": "", "/etc": "/etc", "/a/b": "/a/b", "/..c": "/..c", "/absolute": "/etc",
		"/above": "/etc", "/a/up": "/etc", "/a/b/top/b": "/a/b", "/chain": "/etc",
		"/a/slash/etc": "/etc", "/../..": "", "/a/../../etc/": "/etc",
		"/loop": "ELOOP", "/dangling": "ENOENT", "/file": "ENOTDIR", "/tofile": "ENOTDIR",
		"/file/x": "ENOTDIR",
	} {
		fd, err := openAt(root, name)
		if strings.HasPrefix(want, "E") {
			var errno unix.Errno
			assert.ErrorAs(t, err, &errno)
			assert.Equal(t, want, unix.ErrnoName(errno), name)
			continue
		}
		require.NoError(t, err, name)
		got, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		assert.NoError(t, err)
		assert.Equal(t, image+want, got, name)
		unix.Close(fd)
	}
}

// What the tests of the steps can't provoke on every machine.
func TestHints(t *testing.T) {
	root := &cause.Facts{Args: []string{"step10-overlay", "-pmor", "img", "sh"}}
	user := &cause.Facts{Args: root.Args, UID: 1000}
	mapped := &cause.Facts{Args: root.Args, UserNS: true}
	for _, test := range []struct {
		errno   unix.Errno
		facts   *cause.Facts
		id      string
		command string
	}{
		{unix.ENODEV, root, "no-overlay", "modprobe overlay"},
		{unix.ENODEV, user, "no-overlay", "sudo modprobe overlay"},
		{unix.EPERM, mapped, "old-overlay", "uname -r"},
		{unix.EINVAL, user, "overlays", "sudo dmesg | grep overlayfs"},
	} {
		got := test.facts.Explain(mountOverlay, "img", test.errno, OverlayHints...)
		assert.Equal(t, test.id, got.ID, "%v", test)
		assert.Equal(t, test.command, got.Command, "%v", test)
	}
	got := root.Explain(mountOverlay, "img", unix.EPERM, OverlayHints...)
	assert.NotEqual(t, "old-overlay", got.ID, "root of the machine may, on any kernel")
}

// A machine that runs from its initramfs has that at the top.
func TestInitramfs(t *testing.T) {
	const proc = "20 1 0:4 / /proc rw,relatime - proc proc rw\n"
	for mountinfo, want := range map[string]bool{
		proc + "1 1 0:2 / / rw - rootfs rootfs rw,size=1k\n":  true,
		proc + "21 1 0:2 / / rw - tmpfs rootfs rw\n":          false,
		proc + "21 1 0:2 / /mnt rw - rootfs rootfs rw\n":      false,
		proc + "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw": false, "": false,
	} {
		assert.Equal(t, want, isInitramfs(mountinfo), mountinfo)
	}
	root := &cause.Facts{Args: []string{"/bin/step8-pivot", "-pmr", "my img", "sh"}}
	assert.Equal(t, "/bin/step6-chroot -pmc 'my img' sh", initramfs(root, "my img").Command)
	user := &cause.Facts{Args: []string{"step8-pivot", "-pmr", "img"}, UID: 1000}
	assert.Equal(t, "sudo step6-chroot -pmc img sh", initramfs(user, "img").Command)
}
