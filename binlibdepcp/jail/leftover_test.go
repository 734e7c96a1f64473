//go:build linux

package jail

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Only temporary files and links of the package are found, and not through a link.
func TestLeftovers(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, name := range []string{
		dir + "/usr/lib/" + prefix + "a", dir + "/usr/lib/a",
		dir + "/" + prefix + "b",
		dir + "/" + prefix + "dir/" + prefix + "c", dir + "/x" + prefix + "d", outside +
			"/" + prefix + "e",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	require.NoError(t, os.Symlink(outside, dir+"/link"))
	require.NoError(t, os.Symlink(outside+"/"+prefix+"e", dir+"/usr/"+prefix+"link"))
	require.NoError(t, unix.Mkfifo(dir+"/"+prefix+"fifo", 0o600))
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()

	var found []string
	require.NoError(t, r.Leftovers(func(name string, remove func() error) {
		found = append(found, name)
		assert.NoError(t, remove())
	}))
	assert.Equal(t, []string{
		dir + "/" + prefix + "b", dir + "/" + prefix +
			"dir/" + prefix + "c",
		dir + "/usr/" + prefix + "link", dir + "/usr/lib/" + prefix + "a",
	}, found)
	for _, name := range found {
		_, err := os.Lstat(name)
		assert.ErrorIs(t, err, os.ErrNotExist)
	}
	for _, name := range []string{dir + "/usr/lib/a", dir + "/x" + prefix + "d", dir +
		"/" + prefix + "fifo", outside + "/" + prefix + "e"} {
		_, err := os.Lstat(name)
		assert.NoError(t, err)
	}
	require.NoError(t, r.Leftovers(func(name string, _ func() error) { t.Error(name) }))
}

func TestEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+"/full/proc", 0o755))
	require.NoError(t, os.Symlink("full/proc", dir+"/link"))
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()

	empty, err := r.IsEmpty("/full/proc")
	require.NoError(t, err)
	assert.True(t, empty)
	empty, err = r.IsEmpty("/full")
	require.NoError(t, err)
	assert.False(t, empty)
	_, err = r.IsEmpty("/link")
	assert.ErrorIs(t, err, unix.ENOTDIR)
	_, err = r.IsEmpty("/nonesuch")
	assert.ErrorIs(t, err, os.ErrNotExist)

	assert.ErrorIs(t, r.Rmdir("/full"), unix.ENOTEMPTY)
	assert.ErrorIs(t, r.Rmdir("/link"), unix.ENOTDIR)
	require.NoError(t, r.Rmdir("/full/proc"))
	assert.NoDirExists(t, dir+"/full/proc")
	assert.DirExists(t, dir+"/full")
}
