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
