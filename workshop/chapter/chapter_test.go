package chapter

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fences lets a page be written in a raw string.
func fences(page string) []byte { return []byte(strings.ReplaceAll(page, "'''", "```")) }

func TestParse(t *testing.T) {
	c, err := Parse("docs/9-test.md", fences(`# A *title*
<!-- needs root -->

One [link](x.md), `+"`code`"+`
and ![a picture](p.svg) more.

## Section

'''sh host
echo one
echo two
'''

Words between.

'''text output pid size
one
two
'''

> quoted

'''text
not executed
'''

'''sh inside
cat
'''

'''sh host
true
'''

'''text input inside
a line
'''

'''text key inside
Ctrl-D
'''

<details><summary>Answer</summary>

Folded words.

'''sh host
echo folded
'''

</details>

Last.
`))
	require.NoError(t, err)
	assert.Equal(t, "9-test", c.Name)
	assert.Equal(t, "A title", c.Title)
	assert.True(t, c.NeedsRoot)
	require.Len(t, c.Sections, 2)
	assert.Equal(t, []Part{{Prose: "One link, `code` and more."}}, c.Sections[0].Parts)
	assert.Equal(t, "Section", c.Sections[1].Title)
	assert.Equal(t, []Part{
		{Step: &Step{Kind: Commands, Terminal: Host, At: 10, Lines: []string{"echo one", "echo two"},
			Depths: []int{1, 1}, Output: "one\ntwo", Vary: []string{"pid", "size"}, hasOutput: true}},
		{Prose: "Words between."},
		{Step: &Step{Kind: Commands, Terminal: Inside, At: 28, Lines: []string{"cat"}, Depths: []int{1}, Open: true}},
		{Step: &Step{Kind: Commands, Terminal: Host, At: 32, Lines: []string{"true"}, Depths: []int{1}}},
		{Step: &Step{Kind: Input, Terminal: Inside, At: 36, Lines: []string{"a line"}, Depths: []int{1}, Open: true}},
		{Step: &Step{Kind: Key, Terminal: Inside, At: 40, Lines: []string{"Ctrl-D"}, Depths: []int{1}}},
		{Step: &Step{Kind: Commands, Terminal: Host, At: 48, Lines: []string{"echo folded"}, Depths: []int{1}, Folded: true}},
		{Prose: "Last."},
	}, c.Sections[1].Parts)
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ page, want string }{
		{"", "page.md:1: a page begins with a heading"},
		{"Words.", "page.md:1: a page begins with a heading"},
		{"'''sh host\ntrue\n'''", "page.md:2: a page begins with a heading"},
		{"# T\n\n'''text output\nx\n'''", "page.md:3: output without commands"},
		{"# T\n\n'''sh host\ntrue\n'''\n\n## S\n\n'''text output\nx\n'''", "page.md:9: output without commands"},
		{"# T\n\n'''sh host\ntrue\n'''\n'''text output\nx\n'''\n'''text output\nx\n'''",
			"page.md:9: a second output of the same commands"},
		{"# T\n\n'''sh host\ntrue\n'''\n\n'''text output pid colour\nx\n'''",
			`page.md:7: no pattern "colour"; there are date, inode, key, pid, size, tty`},
		{"# T\n\n'''sh\ntrue\n'''", "page.md:3: which terminal? The word behind is host or inside"},
		{"# T\n\n'''sh outside\ntrue\n'''", "page.md:3: which terminal? The word behind is host or inside"},
		{"# T\n\n'''sh host inside\ntrue\n'''",
			`page.md:3: no word "inside": there are running, back, and fails with the numbers of lines`},
		{"# T\n\n'''sh host\ncat\n'''\n\n'''text key host running\nCtrl-C\n'''",
			`page.md:7: no word "running": there are running, back, and fails with the numbers of lines`},
		{"# T\n\n'''sh host fails\nfalse\n'''", "page.md:3: which lines fail? Their numbers stand behind"},
		{"# T\n\n'''sh host fails 2\nfalse\n'''", "page.md:3: there is no line 2 that could fail"},
		{"# T\n\n'''sh host\nexit\ntrue\n'''", "page.md:5: the first shell of the terminal host has ended"},
		{"# T\n\n'''sh inside back\ntrue\n'''", "page.md:4: the first shell of the terminal inside has ended"},
		{"# T\n\n<details>\n\n'''sh inside\nstep1-pid bash --norc\n'''\n\n</details>\n\n'''sh inside\nexit\n'''",
			"page.md:12: the folded blocks before leave a terminal to another shell"},
		{"# T\n\n**inside**\n'''sh host\ntrue\n'''", "page.md:4: it is for the terminal host, and the label says inside"},
		{"# T\n\n'''bash host\ntrue\n'''", `page.md:3: a block "bash": commands are of "sh host" or "sh inside"`},
		{"# T\n\n'''text outptu\ntrue\n'''", `page.md:3: a block "text outptu": there are output, input and key`},
		{"# T\n\n'''sh host\n'''", "page.md:3: an empty block"},
		{"# T\n\n'''sh host\ncat\n'''\n\n'''text key host\nCtrl-Q\n'''",
			`page.md:7: no key "Ctrl-Q": there are Ctrl-C, Ctrl-D, Ctrl-Z and Ctrl-\`},
		{"# T\n\n'''sh inside\ncat\n'''\n\n'''text input inside\nx\ny\n'''",
			"page.md:7: 2 lines of input: each is a block, with its output"},
		{"# T\n\n'''sh inside\ncat\n'''\n\n'''text input host\nx\n'''",
			"page.md:8: nothing was started that could be answered"},
		{"# T\n\n'''sh host\n" + strings.Repeat("x", 81) + "\n'''",
			"page.md:3: a line of 81 characters, and 80 are readable: " + strings.Repeat("x", 81)},
		{"# T\n\n<details>\n\nx\n", "page.md:1: 1 more <details> than </details>"},
	} {
		_, err := Parse("page.md", fences(test.page))
		assert.EqualError(t, err, test.want, test.page)
	}
}

// Which shell of its terminal a line is for.
func TestDepths(t *testing.T) {
	c, err := Parse("page.md", fences("# T\n\n'''sh inside\nstep1-pid -p bash --norc\nunshare --net bash --norc\nexit\ntrue\n'''\n\n"+
		"'''sh host\nbash --norc -c 'true'\nexit\n'''\n\n'''sh inside back\ntrue\n'''\n\n"+
		"'''sh inside\nstep5-ipc -i no bash --norc\n'''\n\n'''text input inside\nexit\n'''\n\n'''sh inside\nexit\n'''\n"))
	require.NoError(t, err)
	var depths [][]int
	for _, step := range c.Steps() {
		depths = append(depths, step.Depths)
	}
	assert.Equal(t, [][]int{{1, 2, 3, 2}, {1, 1}, {1}, {1}, {2}, {2}}, depths)
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name, page, run, vary string
		problem               string // a part of it, "" for none
	}{
		{"equal", "a\nb", "a\nb\n", "", ""},
		{"nothing", "", "", "", ""},
		{"spaces at the end of lines", "a  \nb", "a\nb  \n", "", ""},
		{"the width of a column", "a  b\n   c", "a b\n c\td", "", "-c\n+c d\n"},
		{"other widths", "[1]+  Terminated              sleep 9\n  c", "[1]+  Terminated                 sleep 9\nc", "", ""},
		{"words that come together", "a b", "ab", "", "-a b\n+ab\n"},
		{"a line more", "a", "a\nb\n", "", "+b\n"},
		{"a line less", "a\nb", "a\n", "", "-b\n"},
		{"output where there is none", "", "a\n", "", "+a\n"},
		{"a number that isn't named", "17", "18", "", "-17\n+18\n"},
		{"a pid", "I am 4711.", "I am 20.", "pid", ""},
		{"0 and 1 don't vary", "I am 1", "I am 17", "pid", "-I am 1\n"},
		{"0 and 1 don't vary, the other way", "I am 17", "I am 1", "pid", "+I am 1\n"},
		{"words around it", "I am 17", "I was 17", "pid", "-I am"},
		{"a column to the right", "    PID CMD\n   4711 sh\n  12345 ps", "PID CMD\n 18 sh\n  7 ps", "pid", ""},
		{"a column to the left", "PID    CMD\n4711   sh", "PID CMD\n18  sh", "pid", ""},
		{"the head of a column", "PID CMD", "PPID CMD", "pid", "-PID CMD"},
		{"columns of two kinds", "root  4711     1 09:23 pts/3 00:00:00 sh", "root 18  1 Nov02 pts/11 00:00:00 sh", "pid tty date", ""},
		{"jobs aren't pids", "[1] 5\n[2] 6", "[1] 2\n[2] 3", "pid", ""},
		{"another job", "[1] 5", "[2] 5", "pid", "-[1]"},
		{"inodes", "pid:[4026531836] -> pid:[4026532281]", "pid:[4026531840] -> pid:[4026532177]", "inode", ""},
		{"an inode's kind", "pid:[4026531836]", "mnt:[4026531840]", "inode", "-pid:["},
		{"one of the page, two of the run", "4026531836\n4026531836", "4026531840\n4026532177", "inode",
			"inode 4026531836 of the page is 4026532177 in the run, and was 4026531840 before"},
		{"two of the page, one of the run", "4026531836\n4026531837", "4026531840\n4026531840", "inode",
			"inode 4026531836 and 4026531837 of the page are both 4026531840 in the run"},
		{"sizes", "4.0K total 17", "12M total 3", "size", ""},
		{"dates", "2026-11-22 09:23 x", "2027-01-02 10:00:03.5 x", "date", ""},
		{"a key", "0x1234abcd 0", "0xffffffff 0", "key", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Comparer
			problem := c.Compare(test.page, test.run, strings.Fields(test.vary))
			if test.problem == "" {
				assert.Empty(t, problem)
			} else {
				assert.Contains(t, problem, test.problem)
			}
		})
	}
}

// A process that is shown twice on a page is one process in the run, too.
func TestCompareThroughout(t *testing.T) {
	var c Comparer
	pid := []string{"pid"}
	assert.Empty(t, c.Compare("parent 4711 child 4712", "parent 20 child 21", pid))
	assert.Empty(t, c.Compare("still 4711", "still 20", pid))
	assert.Contains(t, c.Compare("still 4711", "still 21", pid), "was 20 before")
}

func TestInclude(t *testing.T) {
	sources := fstest.MapFS{
		"a/main.go": {Data: []byte("package main\n\n// F does.\nfunc F() {\n\tone()\n}\n\ntype T struct{}\n\nfunc (t *T) M() {}\n")},
		"b/main.go": {Data: []byte("package main\n\n// F does.\nfunc F() {\n\tone()\n\ttwo()\n}\n\nvar V = 1\n")},
		"bad.go":    {Data: []byte("package")},
	}
	for _, test := range []struct{ name, page, want string }{
		{"a function", "<!-- include a/main.go F -->\n'''go\nold\n'''\nend\n",
			"<!-- include a/main.go F -->\n'''go\n// F does.\nfunc F() {\n\tone()\n}\n'''\nend\n"},
		{"into an empty block", "x\n\n<!-- include a/main.go T T.M -->\n'''go\n'''\n",
			"x\n\n<!-- include a/main.go T T.M -->\n'''go\ntype T struct{}\n\nfunc (t *T) M() {}\n'''\n"},
		{"a diff", "<!-- diff a/main.go b/main.go F V -->\n'''diff\nold\n'''\n",
			"<!-- diff a/main.go b/main.go F V -->\n'''diff\n--- a/main.go\n+++ b/main.go\n@@ -1,4 +1,7 @@\n // F does.\n" +
				" func F() {\n \tone()\n+\ttwo()\n }\n+\n+var V = 1\n'''\n"},
		{"two", "<!-- include a/main.go T -->\n'''go\n'''\n\n<!-- include b/main.go V -->\n'''go\n'''\n",
			"<!-- include a/main.go T -->\n'''go\ntype T struct{}\n'''\n\n<!-- include b/main.go V -->\n'''go\nvar V = 1\n'''\n"},
		{"other languages", "'''c\nint i;\n'''\n", "'''c\nint i;\n'''\n"},
		{"no function", "<!-- include a/main.go G -->\n'''go\n'''\n", "page.md:3: a/main.go has no G"},
		{"no file", "<!-- include c.go G -->\n'''go\n'''\n", "page.md:3: open c.go: file does not exist"},
		{"no code", "<!-- include bad.go G -->\n'''go\n'''\n", "page.md:3: bad.go:1:8: expected 'IDENT', found 'EOF'"},
		{"no comment", "words\n\n'''go\nx\n'''\n",
			"page.md:4: code comes from a source, by a comment before the block: <!-- include FILE NAME... -->"},
		{"no comment of a diff", "<!-- include a/main.go F -->\n'''diff\nx\n'''\n",
			"page.md:3: a diff comes from sources, by a comment before the block: <!-- diff FILE FILE [NAME...] -->"},
		{"no block", "<!-- include a/main.go F -->\n\nwords\n", "page.md:1: no block behind the comment"},
		{"in a list", "- x\n\n  <!-- include a/main.go F -->\n  '''go\n  x\n  '''\n",
			"page.md:5: code in a list or a quotation isn't included: put it at the left edge"},
		{"no difference", "<!-- diff a/main.go a/main.go F -->\n'''diff\n'''\n",
			"page.md:3: a/main.go and a/main.go don't differ there"},
		{"no file before", "<!-- diff c.go a/main.go F -->\n'''diff\n'''\n", "page.md:3: open c.go: file does not exist"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Include("page.md", fences(test.page), sources)
			if err != nil {
				assert.Equal(t, test.want, err.Error())
				return
			}
			assert.Equal(t, string(fences(test.want)), string(got))
			again, err := Include("page.md", got, sources)
			assert.NoError(t, err)
			assert.Equal(t, string(got), string(again))
		})
	}
}

// The first chapter shows what step 1 has now, and a change would be seen.
func TestIncludeDrift(t *testing.T) {
	page, err := os.ReadFile("../../docs/1-pid.md")
	require.NoError(t, err)
	drifted := strings.Replace(string(page), "flags |= unix.CLONE_NEWPID", "flags |= unix.CLONE_NEWNS", 1)
	require.NotEqual(t, string(page), drifted)
	got, err := Include("docs/1-pid.md", []byte(drifted), os.DirFS("../.."))
	require.NoError(t, err)
	assert.Equal(t, string(page), string(got))
}
