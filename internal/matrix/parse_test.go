//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A guest's console, with what the firmware prints, a check that fails, one that skips
// all its tests, and a check during which the guest hangs.
const console = "\x1b[2JSeaBIOS\r\n@@kernel 5.10.0 x86_64\r\n" +
	"@@begin root doctor\r\n--- PASS: TestChecks\r\n@@end root doctor 0 3\r\n" +
	"@@begin tester doctor\r\nboom\r\n@@end tester doctor 1 4\r\n" +
	"@@begin root jail\r\n--- SKIP: TestChecks\r\n@@end root jail 0 1\r\n" +
	"@@begin tester jail\r\nhalf"

func TestParse(t *testing.T) {
	r := &report{guest: guests[0]}
	require.NoError(t, parse(strings.NewReader(console), r))
	assert.Equal(t, "5.10.0", r.kernel)
	assert.False(t, r.done)
	assert.Equal(t, []result{
		{user: "root", check: "doctor", seconds: 3, text: "--- PASS: TestChecks\n"},
		{user: "tester", check: "doctor", status: 1, seconds: 4, skipped: true, text: "boom\n"},
		{
			user: "root", check: "jail", seconds: 1, skipped: true,
			text: "--- SKIP: TestChecks\n",
		},
		{user: "tester", check: "jail", status: -1, text: "half"},
	}, r.results)
	assert.Equal(t, "tester failed", r.cell("doctor"))
	assert.Equal(t, "root skipped, tester failed", r.cell("jail"))
	assert.Equal(t, "not run", r.cell("verify"))
}

func TestWriteTable(t *testing.T) {
	r := &report{guest: guests[0], took: 5 * time.Second}
	require.NoError(t, parse(strings.NewReader(console), r))
	var b strings.Builder
	writeTable(&b, []*report{r, {guest: guests[4], missing: errMissing}},
		[]check{{name: "doctor"}, {name: "verify"}})
	assert.Equal(t, `
| kernel | 5.10.0 | 5.10 |
|---|---|---|
| architecture | amd64 | arm64 |
| time | 5s | 0s |
| doctor | tester failed | not run |
| verify | not run | not run |

`, b.String())
}

func TestJudge(t *testing.T) {
	good := &report{guest: guests[0], done: true}
	for _, c := range checks {
		for _, user := range users {
			good.results = append(good.results, result{user: user, check: c.name})
		}
	}
	var b bytes.Buffer
	require.NoError(t, judge(&b, []*report{good}, checks))
	assert.Empty(t, b.String())
	assert.Equal(t, "ok", good.cell(checks[0].name))

	hung := &report{guest: guests[0], results: good.results[:3], log: "x.log"}
	require.Error(t, judge(&b, []*report{good, hung}, checks))
	assert.Contains(t, b.String(), fmt.Sprintf("%d checks didn't run; see x.log",
		2*len(checks)-3))
}

// A guest that could not be made is skipped. It doesn't fail the others.
func TestJudgeMissing(t *testing.T) {
	missing := &report{guest: guests[0], missing: errMissing}
	require.NoError(t, judge(io.Discard, []*report{missing}, checks))
	assert.Equal(t, "not run", missing.cell(checks[0].name))
}

// Each check names tests that are there.
func TestCheckNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range checks {
		assert.False(t, seen[c.name], c.name)
		seen[c.name] = true
		files, err := filepath.Glob("../../" + c.dir + "/*_test.go")
		require.NoError(t, err)
		var text []byte
		for _, file := range files {
			more, err := os.ReadFile(file)
			require.NoError(t, err)
			text = append(text, more...)
		}
		for name := range strings.SplitSeq(c.run, "|") {
			name, script, _ := strings.Cut(name, "/")
			assert.Contains(t, string(text), "\nfunc "+name+"(t *testing.T)", c.name)
			if name == "TestChecks" {
				assert.FileExists(t, "testdata/"+script+".txtar")
			}
		}
	}
	for _, dir := range testDirs {
		assert.DirExists(t, "../../"+dir)
	}
}

// The list of packages is one for CI and the userlands.
func TestPackages(t *testing.T) {
	packages, err := testPackages("../..")
	require.NoError(t, err)
	assert.Contains(t, packages, "procps")
	assert.NotContains(t, packages, "What")
	script, err := os.ReadFile("../../.ci/run")
	require.NoError(t, err)
	assert.Contains(t, string(script), "<.ci/packages\n")
}

// A tree of an earlier list of packages isn't used.
func TestComplete(t *testing.T) {
	tree := t.TempDir()
	assert.False(t, isComplete(tree, nil))
	require.NoError(t, setComplete(tree, []string{"bash", "kmod"}))
	assert.True(t, isComplete(tree, []string{"bash", "kmod"}))
	assert.False(t, isComplete(tree, []string{"bash"}))
}
