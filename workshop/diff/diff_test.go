//go:build linux

package diff

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps"
)

func TestFind(t *testing.T) {
	for word, want := range map[string]string{
		"2": "step2-mnt", "mnt": "step2-mnt",
		"step6-chroot": "step6-chroot",
	} {
		step, err := find(word)
		assert.NoError(t, err)
		assert.Equal(t, want, step.Name, word)
	}
	for _, word := range []string{"", "1", "pid", "77", "step4"} {
		_, err := find(word)
		assert.Error(t, err, word)
	}
}

// The diff is that of diff -u, byte for byte: the one that the README links to. All of it
// is in the two sides, too.
func TestUnified(t *testing.T) {
	for _, step := range nsteps.Steps {
		if step.Base == "" {
			continue
		}
		want, err := os.ReadFile("../../docs/diff/" + step.Name + ".diff")
		require.NoError(t, err)
		var b strings.Builder
		writeUnified(&b, string(want))
		assert.Equal(t, string(want), b.String())

		d, err := parse(string(want))
		require.NoError(t, err)
		lines := 2
		for _, h := range d.hunks {
			lines += 1 + len(h.lines)
		}
		assert.Equal(t, strings.Count(string(want), "\n"), lines)
		assertNumbered(t, step, d)
	}
}

// assertNumbered holds the lines of each side against the sources, by their numbers.
func assertNumbered(t *testing.T, step nsteps.Step, d difference) {
	t.Helper()
	base, err := nsteps.Find(step.Base)
	require.NoError(t, err)
	for half, source := range []string{base.Source(), step.Source()} {
		text, err := fs.ReadFile(nsteps.Sources, source)
		require.NoError(t, err)
		lines := strings.Split(strings.ReplaceAll(string(text), "\t", "    "), "\n")
		for _, h := range d.hunks {
			for _, r := range rows(h) {
				if n := r[half].number; n > 0 {
					assert.Equal(t, lines[n-1], r[half].text, "%s:%d", source, n)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	d, err := parse("--- a\n+++ b\n@@ -1,2 +1,3 @@\n x\n-\n+y\n++z\n@@ -9 +10 @@ func " +
		"f() {\n-a\n+b\n")
	require.NoError(t, err)
	assert.Equal(t, difference{"a", "b", []hunk{
		{1, 1, []line{{' ', "x"}, {'-', ""}, {'+', "y"}, {'+', "+z"}}},
		{9, 10, []line{{'-', "a"}, {'+', "b"}}},
	}}, d)
	for _, damaged := range []string{
		"", "--- a", "--- a\n+++ b\n+x\n",
		"--- a\n+++ b\n@@ -x +1 @@\n",
		"--- a\n+++ b\n@@ -1 +x @@\n", "--- a\n+++ b\n@@ -1 +1 @@\n\n",
	} {
		_, err := parse(damaged)
		assert.Error(t, err, damaged)
	}
}

func TestRows(t *testing.T) {
	const equal, del, ins = ' ', '-', '+'
	h := hunk{5, 7, []line{
		{equal, "same"},
		{del, "\told"},
		{ins, "new"},
		{ins, "more"},
		{equal, ""},
		{del, "gone"},
		{ins, "come"},
	}}
	assert.Equal(t, []row{
		{{5, "same", equal}, {7, "same", equal}},
		{{6, "    old", del}, {8, "new", ins}},
		{{}, {9, "more", ins}},
		{{7, "", equal}, {10, "", equal}},
		{{8, "gone", del}, {11, "come", ins}},
	}, rows(h))
}

func TestWrap(t *testing.T) {
	const del, ins = '-', '+'
	assert.Equal(t, []row{
		{{1, "abc", del}, {2, "é日", ins}},
		{{0, "d", del}, {0, "x", ins}},
	}, wrap(row{{1, "abcd", del}, {2, "é日x", ins}}, 3))
	assert.Equal(t, []row{{{1, "", del}, {2, "", ins}}},
		wrap(row{{1, "", del}, {2, "", ins}}, 3))
	assert.Len(t, wrap(row{{1, "日本", del}, {}}, 1), 2) // too narrow: a character a line
}
