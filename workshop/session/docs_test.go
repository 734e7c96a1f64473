//go:build linux

package session

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/docs"
	"nsteps/internal/linux"
	"nsteps/internal/steptest"
	"nsteps/workshop/page"
)

func TestMain(m *testing.M) {
	steptest.Main(m, steptest.Steps("beyond/bundle", "binlibdepcp", "workshop")...)
}

// pages returns the chapters by their names.
func pages(t *testing.T) map[string][]byte {
	names, err := fs.Glob(docs.FS, "*.md")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	found := map[string][]byte{}
	for _, name := range names {
		page, err := docs.FS.ReadFile(name)
		require.NoError(t, err)
		found[name] = page
	}
	return found
}

// What the chapters tell a person to type does what they show.
func TestChapters(t *testing.T) {
	for name, text := range pages(t) {
		t.Run(name, func(t *testing.T) {
			c, err := page.Parse("docs/"+name, text)
			require.NoError(t, err)
			// that one's test is beside its command
			if len(c.Steps()) == 0 || name == "binlibdepcp.md" {
				return
			}
			steptest.NeedsHost(t)
			if c.NeedsRoot && !linux.InInitialUser() {
				t.Skip("SKIPPED: the chapter needs root of the initial user namespace")
			}
			if missing := Missing(c.Needs); missing != nil {
				t.Skip("SKIPPED: the chapter needs", strings.Join(missing, ", "))
			}
			steptest.LockChapters(t)
			s, err := Start(t.Context(), spaces(t), true)
			require.NoError(t, err)
			defer s.Close()
			assert.NoError(t, s.Check(c))
		})
	}
}

// spaces lets the programs and the directory of a chapter be in a checkout with a space
// in its path that every user can reach, and returns the directory of the programs.
func spaces(t *testing.T) string {
	t.Helper()
	checkout := filepath.Join(t.TempDir(), "my checkout")
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(checkout)), 0o755))
	require.NoError(t, os.Mkdir(checkout, 0o755))
	t.Setenv("TMPDIR", checkout)
	bin := filepath.Join(checkout, "bin")
	require.NoError(t, os.Symlink(filepath.Dir(steptest.Bin("step1-pid")), bin))
	return bin
}
