package docs

import (
	"io/fs"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// pages returns the chapters by their names.
func pages(t *testing.T) map[string][]byte {
	names, err := fs.Glob(FS, "*.md")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	found := map[string][]byte{}
	for _, name := range names {
		page, err := FS.ReadFile(name)
		require.NoError(t, err)
		found[name] = page
	}
	return found
}

// No link and no picture of a chapter leads nowhere.
func TestLinks(t *testing.T) {
	for name, page := range pages(t) {
		document := goldmark.DefaultParser().Parse(text.NewReader(page))
		require.NoError(t, ast.Walk(document,
			func(n ast.Node, enter bool) (ast.WalkStatus, error) {
				var to string
				switch n := n.(type) {
				case *ast.Link:
					to = string(n.Destination)
				case *ast.Image:
					to = string(n.Destination)
					_, err := FS.Open(to)
					assert.NoError(t, err, "docs/%s: a picture that isn't embedded", name)
				}
				if u, err := url.Parse(to); err != nil || u.Scheme == "" && u.Path != "" {
					_, err := os.Stat(u.Path)
					assert.NoError(t, err, "docs/%s", name)
				}
				return ast.WalkContinue, nil
			}))
	}
}
