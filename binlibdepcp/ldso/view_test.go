//go:build linux

package ldso

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Between the search and the opening, somebody puts another file in the place of the one
// that was found, or a link in the place of its directory.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"/tree/file", "/secret/file"} {
		require.NoError(t, os.MkdirAll(dir+name[:len(name)-len("/file")], 0o755))
		require.NoError(t, os.WriteFile(dir+name, []byte("text"), 0o644))
	}
	linker := New(Host(), "/")
	place, err := linker.Place(dir + "/tree/file")
	require.NoError(t, err)
	tree, err := linker.Place(dir + "/tree")
	require.NoError(t, err)
	f, err := linker.Open(place)
	require.NoError(t, err)
	f.Close()

	require.NoError(t, os.Rename(dir+"/tree", dir+"/away"))
	require.NoError(t, os.Symlink("secret", dir+"/tree"))
	_, err = linker.Open(place)
	assert.ErrorIs(t, err, unix.ELOOP)
	_, err = linker.ReadDir(tree)
	assert.ErrorIs(t, err, unix.ELOOP)

	require.NoError(t, os.Remove(dir+"/tree"))
	require.NoError(t, os.Rename(dir+"/secret", dir+"/tree"))
	_, err = linker.Open(place)
	assert.ErrorIs(t, err, ErrChanged)
}
