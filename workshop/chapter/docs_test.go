//go:build linux

package chapter

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"nsteps/docs"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "step1-pid", "step2-mnt", "step3-uts", "step4-net", "step5-ipc", "step6-chroot", "binlibdepcp", "workshop")
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
	for name, page := range pages(t) {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("docs/"+name, page)
			require.NoError(t, err)
			lines := strings.Split(string(page), "\n")
			for _, step := range c.Steps() {
				assert.Equal(t, "**"+step.Terminal+"**", lines[step.At-3], "docs/%s:%d", name, step.At)
			}
			if len(c.Steps()) == 0 || name == "binlibdepcp.md" { // that one's test is beside its command
				return
			}
			steptest.NeedsHost(t)
			if c.NeedsRoot && !initialRoot() {
				t.Skip("SKIPPED: the chapter needs root of the initial user namespace")
			}
			steptest.LockChapters(t)
			s, err := Start(t.Context(), spaces(t), true)
			require.NoError(t, err)
			defer s.Close()
			assert.NoError(t, s.Check(c))
		})
	}
}

// spaces lets the programs and the directory of a chapter be in a checkout with a space in
// its path, and returns the directory of the programs.
func spaces(t *testing.T) string {
	t.Helper()
	checkout := filepath.Join(t.TempDir(), "my checkout")
	require.NoError(t, os.Mkdir(checkout, 0o755))
	t.Setenv("TMPDIR", checkout)
	bin := filepath.Join(checkout, "bin")
	require.NoError(t, os.Symlink(filepath.Dir(steptest.Bin("step1-pid")), bin))
	return bin
}

func initialRoot() bool {
	uids, _ := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(uids)), " ") == "0 0 4294967295"
}

// The code in the chapters is that of the sources: make docs writes it anew.
func TestIncludes(t *testing.T) {
	for name, page := range pages(t) {
		want, err := Include("docs/"+name, page, os.DirFS("../.."))
		if assert.NoError(t, err) {
			assert.Equal(t, string(want), string(page), "docs/%s: make docs writes it anew", name)
		}
	}
}

// No link and no picture of a chapter leads nowhere.
func TestLinks(t *testing.T) {
	for name, page := range pages(t) {
		document := markdown.Parser().Parse(text.NewReader(page))
		require.NoError(t, ast.Walk(document, func(n ast.Node, enter bool) (ast.WalkStatus, error) {
			var to string
			switch n := n.(type) {
			case *ast.Link:
				to = string(n.Destination)
			case *ast.Image:
				to = string(n.Destination)
				_, err := docs.FS.Open(to)
				assert.NoError(t, err, "docs/%s: a picture that isn't embedded", name)
			}
			if u, err := url.Parse(to); err != nil || u.Scheme == "" && u.Path != "" {
				_, err := os.Stat(filepath.Join("../../docs", u.Path))
				assert.NoError(t, err, "docs/%s", name)
			}
			return ast.WalkContinue, nil
		}))
	}
}
