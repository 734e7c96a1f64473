package docs

import (
	"encoding/xml"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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

// Each picture is shown by a page.
func TestPicturesAreShown(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	for _, page := range pages(t) {
		text = append(text, page...)
	}
	pictures, err := fs.Glob(FS, "picture/*.svg")
	require.NoError(t, err)
	require.NotEmpty(t, pictures)
	for _, name := range pictures {
		assert.Contains(t, string(text), name+")", "no page shows it")
	}
}

// The pictures share one style, say to a screen reader what they show, and can be read
// on a phone: a narrow picture with large letters.
func TestPictures(t *testing.T) {
	names, err := fs.Glob(FS, "picture/*.svg")
	require.NoError(t, err)
	var style string
	for _, name := range names {
		file, err := FS.ReadFile(name)
		require.NoError(t, err)
		var picture struct {
			ViewBox string `xml:"viewBox,attr"`
			Title   string `xml:"title"`
			Desc    string `xml:"desc"`
			Style   string `xml:"style"`
		}
		require.NoError(t, xml.Unmarshal(file, &picture), name)
		assert.NotEmpty(t, picture.Title, name)
		assert.NotEmpty(t, picture.Desc, name)
		assert.Regexp(t, `^0 0 480 \d+$`, picture.ViewBox, name)
		if style == "" {
			style = picture.Style
		}
		assert.Equal(t, style, picture.Style, "%s: another style than %s", name, names[0])
		assert.NotRegexp(t, ` style="`, string(file), name)
	}
	for _, size := range regexp.MustCompile(`(\d+)px`).FindAllStringSubmatch(style, -1) {
		pixels, err := strconv.Atoi(size[1])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, pixels, 14)
	}
}

// strips.sh has drawn the strips of chapters 1 to 5.
func TestStrips(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("./strips.sh", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for n := 1; n < 6; n++ {
		name := fmt.Sprintf("map-%d.svg", n)
		drawn, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		stored, err := FS.ReadFile("picture/" + name)
		require.NoError(t, err)
		assert.Equal(t, string(drawn), string(stored), "%s: run docs/strips.sh", name)
		assert.Equal(t, n, strings.Count(string(stored), `class="on"`), name)
	}
}
