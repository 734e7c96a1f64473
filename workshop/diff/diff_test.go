//go:build linux

package diff

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aymanbagabas/go-udiff"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps"
)

func TestFind(t *testing.T) {
	for word, want := range map[string]string{"2": "step1-pid", "mnt": "step1-pid", "step6-chroot": "step5-ipc"} {
		before, _, err := find(word)
		assert.NoError(t, err)
		assert.Equal(t, want, before.Name, word)
	}
	for _, word := range []string{"", "1", "pid", "7", "step4"} {
		_, _, err := find(word)
		assert.Error(t, err, word)
	}
}

// The diff is that of diff -u, byte for byte: the one that the README links to.
func TestUnified(t *testing.T) {
	for _, step := range nsteps.Steps[1:] {
		want, err := os.ReadFile("../../docs/diff/" + step.Name + ".diff")
		require.NoError(t, err)
		before, after, err := find(step.Name)
		require.NoError(t, err)
		d, err := compare(nsteps.Sources, before.Source(), after.Source())
		require.NoError(t, err)
		var b strings.Builder
		writeUnified(&b, d)
		assert.Equal(t, string(want), b.String())
	}
}

// A line that is added among equal ones is added behind them; and hunks are numbered.
func TestCompare(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"a\n}\nz\n", "a\n}\nb\n}\nz\n", "@@ -1,3 +1,5 @@\n a\n }\n+b\n+}\n z\n"},
		{"x\nx\n", "x\nx\nx\n", "@@ -1,2 +1,3 @@\n x\n x\n+x\n"},
		{
			"1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\nd\ne\n", "1\n2x\n3\n4x\n5\n6\n7\n8\n9\na\nb\nc\ndx\ne\n",
			"@@ -1,7 +1,7 @@\n 1\n-2\n+2x\n 3\n-4\n+4x\n 5\n 6\n 7\n@@ -10,5 +10,5 @@\n a\n b\n c\n-d\n+dx\n e\n",
		},
	} {
		d, err := compare(fstest.MapFS{"a/main.go": {Data: []byte(test.old)}, "b/main.go": {Data: []byte(test.new)}}, "a/main.go", "b/main.go")
		require.NoError(t, err)
		assert.Equal(t, "--- a/main.go\n+++ b/main.go\n"+test.want, d.String())
	}
	_, err := compare(fstest.MapFS{}, "a", "b")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRows(t *testing.T) {
	const equal, del, ins = udiff.Equal, udiff.Delete, udiff.Insert
	hunk := &udiff.Hunk{FromLine: 5, ToLine: 7}
	for _, line := range []struct {
		kind udiff.OpKind
		text string
	}{{equal, "same"}, {del, "\told"}, {ins, "new"}, {ins, "more"}, {equal, ""}, {del, "gone"}, {ins, "come"}} {
		hunk.Lines = append(hunk.Lines, struct {
			Kind    udiff.OpKind
			Content string
		}{line.kind, line.text + "\n"})
	}
	assert.Equal(t, []row{
		{{5, "same", equal}, {7, "same", equal}},
		{{6, "    old", del}, {8, "new", ins}},
		{{}, {9, "more", ins}},
		{{7, "", equal}, {10, "", equal}},
		{{8, "gone", del}, {11, "come", ins}},
	}, rows(hunk))
}

func TestWrap(t *testing.T) {
	const del, ins = udiff.Delete, udiff.Insert
	assert.Equal(t, []row{
		{{1, "abc", del}, {2, "é日", ins}},
		{{0, "d", del}, {0, "x", ins}},
	}, wrap(row{{1, "abcd", del}, {2, "é日x", ins}}, 3))
	assert.Equal(t, []row{{{1, "", del}, {2, "", ins}}}, wrap(row{{1, "", del}, {2, "", ins}}, 3))
	assert.Len(t, wrap(row{{1, "日本", del}, {}}, 1), 2) // too narrow: a character a line
}
