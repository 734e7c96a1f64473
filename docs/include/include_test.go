package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fences lets a page be written in a raw string.
func fences(page string) []byte { return []byte(strings.ReplaceAll(page, "'''", "```")) }

func TestInclude(t *testing.T) {
	sources := fstest.MapFS{
		"a/main.go": {Data: []byte("package main\n\n// F does.\nfunc F() {\n\tone()\n" +
			"}\n\ntype T struct{}\n\nfunc (t *T) M() {}\n")},
		"b/main.go": {Data: []byte("package main\n\n// F does.\nfunc F() {\n\tone()\n" +
			"\ttwo()\n}\n\nvar V = 1\n")},
		"bad.go": {Data: []byte("package")},
	}
	for _, test := range []struct{ name, page, want string }{
		{
			"a function", "<!-- include a/main.go F -->\n'''go\nold\n'''\nend\n",
			"<!-- include a/main.go F -->\n'''go\n// F does.\nfunc F() {\n\tone()\n}\n" +
				"'''\nend\n",
		},
		{
			"into an empty block", "x\n\n<!-- include a/main.go T T.M -->\n'''go\n'''\n",
			"x\n\n<!-- include a/main.go T T.M -->\n'''go\ntype T struct{}\n\nfunc (t " +
				"*T) M() {}\n'''\n",
		},
		{
			"a diff", "<!-- diff a/main.go b/main.go F V -->\n'''diff\nold\n'''\n",
			"<!-- diff a/main.go b/main.go F V -->\n'''diff\n--- a/main.go\n+++ " +
				"b/main.go\n@@ -1,4 +1,7 @@\n // F does.\n" +
				" func F() {\n \tone()\n+\ttwo()\n }\n+\n+var V = 1\n'''\n",
		},
		{
			"two", "<!-- include a/main.go T -->\n'''go\n'''\n\n<!-- include b/main.go " +
				"V " +
				"-->\n'''go\n'''\n",
			"<!-- include a/main.go T -->\n'''go\ntype T struct{}\n'''\n\n<!-- include " +
				"b/main.go V -->\n'''go\nvar V = 1\n'''\n",
		},
		{"other languages", "'''c\nint i;\n'''\n", "'''c\nint i;\n'''\n"},
		{
			"no function", "<!-- include a/main.go G -->\n'''go\n'''\n",
			"page.md:3: a/main.go has no G",
		},
		{
			"no file", "<!-- include c.go G -->\n'''go\n'''\n",
			"page.md:3: open c.go: file does not exist",
		},
		{
			"no code", "<!-- include bad.go G -->\n'''go\n'''\n",
			"page.md:3: bad.go:1:8: expected 'IDENT', found 'EOF'",
		},
		{
			"no comment", "words\n\n'''go\nx\n'''\n",
			"page.md:4: code comes from a source, by a comment before the block: <!-- " +
				"include FILE NAME... -->",
		},
		{
			"no comment of a diff", "<!-- include a/main.go F -->\n'''diff\nx\n'''\n",
			"page.md:3: a diff comes from sources, by a comment before the block: <!-- " +
				"diff FILE FILE [NAME...] -->",
		},
		{
			"no block", "<!-- include a/main.go F -->\n\nwords\n",
			"page.md:1: no block behind the comment",
		},
		{
			"in a list", "- x\n\n  <!-- include a/main.go F -->\n  '''go\n  x\n  '''\n",
			"page.md:5: code in a list or a quotation isn't included: put it at the " +
				"left edge",
		},
		{
			"no difference", "<!-- diff a/main.go a/main.go F -->\n'''diff\n'''\n",
			"page.md:3: a/main.go and a/main.go don't differ there",
		},
		{
			"no file before", "<!-- diff c.go a/main.go F -->\n'''diff\n'''\n",
			"page.md:3: open c.go: file does not exist",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := include("page.md", fences(test.page), sources)
			if err != nil {
				assert.Equal(t, test.want, err.Error())
				return
			}
			assert.Equal(t, string(fences(test.want)), string(got))
			again, err := include("page.md", got, sources)
			assert.NoError(t, err)
			assert.Equal(t, string(got), string(again))
		})
	}
}

// The first chapter shows what step 1 has now, and a change would be seen.
func TestIncludeDrift(t *testing.T) {
	page, err := os.ReadFile("../../docs/1-pid.md")
	require.NoError(t, err)
	drifted := strings.Replace(string(page), "flags |= unix.CLONE_NEWPID",
		"flags |= unix.CLONE_NEWNS", 1)
	require.NotEqual(t, string(page), drifted)
	got, err := include("docs/1-pid.md", []byte(drifted), os.DirFS("../.."))
	require.NoError(t, err)
	assert.Equal(t, string(page), string(got))
}

// The code in the chapters is that of the sources: make docs writes it.
func TestIncludes(t *testing.T) {
	files, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		page, err := os.ReadFile(file)
		require.NoError(t, err)
		want, err := include(file, page, os.DirFS("../.."))
		if assert.NoError(t, err) {
			assert.Equal(t, string(want), string(page),
				"%s: make docs writes it", file)
		}
	}
}
