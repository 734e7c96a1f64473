//go:build linux

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/container", "beyond/step7-user", "beyond/join", "binlibdepcp",
		"step6-chroot")
}

func TestScripts(t *testing.T) { steptest.ScriptsIn(t, "testdata") }

// The container's functions are those of the steps, word for word. A step has the body of
// a function of inside.go in its own function child.
func TestSameAsSteps(t *testing.T) {
	files, err := filepath.Glob("../step*/main.go")
	require.NoError(t, err)
	var steps strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		steps.Write(text)
	}
	for _, name := range []string{"inside.go", "outside.go", "privileges.go", "root.go"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		require.NoError(t, err)
		part := func(from, to token.Pos) string {
			return string(text[fset.Position(from).Offset:fset.Position(to).Offset])
		}
		compared := 0
		for _, declaration := range file.Decls {
			all := part(declaration.Pos(), declaration.End())
			if strings.HasPrefix(all, "import ") {
				continue
			}
			compared++
			if function, ok := declaration.(*ast.FuncDecl); ok && name == "inside.go" {
				all = part(function.Body.Lbrace+1, function.Body.Rbrace)
				all = strings.TrimSuffix(strings.TrimSpace(all), "return nil")
			}
			assert.Contains(t, plain(steps.String()), plain(all), "of %s", name)
		}
		assert.Positive(t, compared)
	}
}

// plain returns a text without indentation.
func plain(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	out, err := exec.Command(steptest.Bin("binlibdepcp"), "-q", "sleep",
		dir+"/img").CombinedOutput()
	require.NoError(t, err, string(out))
	steptest.KillAtAnyTime(t, dir, "container", "-r", "img", "sleep", "86408")
}
