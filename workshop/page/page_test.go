package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fences lets a page be written in a raw string, with " for the marks of code.
func fences(page string) []byte {
	return []byte(strings.NewReplacer("'''", "```", `"`, "`").Replace(page))
}

func TestNeedsRoot(t *testing.T) {
	for comment, want := range map[string]bool{
		"needs root": true, "needs root before Linux 99.0": true,
		"needs root before Linux 3.2": false, "needs rootless": false, "": false,
	} {
		assert.Equal(t, want, needsRoot(comment), comment)
	}
}

func TestParse(t *testing.T) {
	c, err := Parse("docs/9-test.md", fences(`# A *title*
<!-- needs root -->

<!-- needs: runc umoci -->

One [link](x.md), "code"
and ![a picture](p.svg) more.

## Section

**terminal 1** "host#"
'''sh 1
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

<!-- demo: A cat. -->
**terminal 2** "host#"
'''sh 2
cat
'''

**terminal 1** "host#"
'''sh 1
true
'''

**terminal 2** input
'''text input 2
a line
'''

**terminal 2** key
'''text key 2
Ctrl-D
'''

<details><summary>Answer</summary>

Folded words.

**terminal 1** "host#"
'''sh 1
echo folded
'''

</details>

Last.
`))
	require.NoError(t, err)
	assert.Equal(t, "9-test", c.Name)
	assert.Equal(t, "A title", c.Title)
	assert.True(t, c.NeedsRoot)
	assert.Equal(t, []string{"runc", "umoci"}, c.Needs)
	require.Len(t, c.Sections, 2)
	assert.Equal(t, []Part{{Prose: "One link, `code` and more."}}, c.Sections[0].Parts)
	assert.Equal(t, "Section", c.Sections[1].Title)
	const one, two = "**terminal 1** `host#`", "**terminal 2** `host#`"
	assert.Equal(t, []Part{
		{Step: &Step{
			Kind: Commands, Terminal: 1, At: 13, label: one,
			Lines: []string{"echo one", "echo two"},
			Depth: 1, Prompt: "host#", Output: "one\ntwo", Vary: []string{"pid", "size"},
			hasOutput: true,
		}},
		{Prose: "Words between."},
		{Step: &Step{
			Kind: Commands, Terminal: 2, At: 33, label: two, Demo: "A cat.",
			Lines: []string{"cat"}, Depth: 1, Prompt: "host#", Open: true,
		}},
		{Step: &Step{
			Kind: Commands, Terminal: 1, At: 38, label: one, Lines: []string{"true"},
			Depth: 1, Prompt: "host#",
		}},
		{Step: &Step{
			Kind: Input, Terminal: 2, At: 43, label: "**terminal 2** input",
			Lines: []string{"a line"}, Depth: 1, Prompt: "host#", Open: true,
		}},
		{Step: &Step{
			Kind: Key, Terminal: 2, At: 48, label: "**terminal 2** key",
			Lines: []string{"Ctrl-D"}, Depth: 1, Prompt: "host#",
		}},
		{Step: &Step{
			Kind: Commands, Terminal: 1, At: 57, label: one,
			Lines: []string{"echo folded"}, Depth: 1, Prompt: "host#", Folded: true,
		}},
		{Prose: "Last."},
	}, c.Sections[1].Parts)
}

func TestParseErrors(t *testing.T) {
	const two = `**terminal 2** "host#"` + "\n"
	for _, test := range []struct{ page, want string }{
		{"", "page.md:1: a page begins with a heading"},
		{"Words.", "page.md:1: a page begins with a heading"},
		{"'''sh 1\ntrue\n'''", "page.md:2: a page begins with a heading"},
		{"# T\n\n'''text output\nx\n'''", "page.md:3: output without commands"},
		{
			"# T\n\n'''sh 1\ntrue\n'''\n\n## S\n\n'''text output\nx\n'''",
			"page.md:9: output without commands",
		},
		{
			"# T\n\n'''sh 1\ntrue\n'''\n'''text output\nx\n'''\n'''text output\nx\n" +
				"'''",
			"page.md:9: a second output of the same commands",
		},
		{
			"# T\n\n'''sh 1\ntrue\n'''\n\n'''text output pid colour\nx\n'''",
			`page.md:7: no pattern "colour"; there are date, digest, inode, key, link, pid, ` +
				`size, tty`,
		},
		{
			"# T\n\n'''sh\ntrue\n'''",
			"page.md:3: which terminal? The word behind is 1 or 2",
		},
		{
			"# T\n\n'''sh 3\ntrue\n'''",
			"page.md:3: which terminal? The word behind is 1 or 2",
		},
		{
			"# T\n\n'''sh 1 2\ntrue\n'''",
			`page.md:3: no word "2": there are running, back, and fails with the numbers of lines`,
		},
		{
			"# T\n\n'''sh 1\ncat\n'''\n\n'''text key 1 running\nCtrl-C\n'''",
			`page.md:7: no word "running": there are running, back, and fails with the numbers of lines`,
		},
		{
			"# T\n\n'''sh 1 fails\nfalse\n'''",
			"page.md:3: which lines fail? Their numbers stand behind",
		},
		{
			"# T\n\n'''sh 1 fails 2\nfalse\n'''",
			"page.md:3: there is no line 2 that could fail",
		},
		{
			"# T\n\n**terminal 1** " + `"host#"` + "\n'''sh 1\nexit\n'''\n\n'''sh 1\ntrue\n'''",
			"page.md:9: the first shell of terminal 1 has ended",
		},
		{
			"# T\n\n'''sh 2 back\ntrue\n'''",
			"page.md:4: the first shell of terminal 2 has ended",
		},
		{
			"# T\n\n<details>\n\n" + two + "'''sh 2\nstep1-pid bash --norc\n'''\n\n" +
				"</details>\n\n'''sh 2\nexit\n'''\n",
			"page.md:13: the folded blocks before leave a terminal to another shell",
		},
		{
			"# T\n\n'''sh 1\nexit\ntrue\n'''",
			"page.md:3: a line that starts or ends a shell is the last of its block: exit",
		},
		{
			"# T\n\n'''sh 1\nbash --norc\ntrue\n'''",
			"page.md:3: a line that starts or ends a shell is the last of its block: " +
				"bash --norc",
		},
		{
			"# T\n\n'''sh 2\ntrue\n'''",
			"page.md:3: the label before the block has to be: **terminal 2** `host#`",
		},
		{
			"# T\n\n" + two + "'''sh 1\ntrue\n'''",
			"page.md:4: the label before the block has to be: **terminal 1** `host#`",
		},
		{
			"# T\n\n" + two + "'''sh 2\nstep1-pid bash --norc\n'''\n\n" + two +
				"'''sh 2\ntrue\n'''",
			"page.md:9: the label before the block has to be: **terminal 2** `step1-pid#`",
		},
		{
			"# T\n\n" + two + "'''sh 2\ncat\n'''\n\n" + two + "'''text key 2\nCtrl-D\n'''",
			"page.md:9: the label before the block has to be: **terminal 2** key",
		},
		{"# T\n\n" + two + "\nWords.", "page.md:3: no block behind the label"},
		{
			"# T\n\n" + two + "'''text\nx\n'''",
			"page.md:4: the block behind a label isn't typed",
		},
		{
			"# T\n\n<!-- demo: It starts. -->\n\nWords.",
			"page.md:3: no label and block behind the comment of the demo",
		},
		{
			"# T\n\n<!-- demo: -->\n" + two + "'''sh 2\ntrue\n'''",
			"page.md:3: the demo shows a sentence: <!-- demo: SENTENCE -->",
		},
		{
			"# T\n\n'''bash 1\ntrue\n'''",
			`page.md:3: a block "bash": commands are of "sh 1" or "sh 2"`,
		},
		{
			"# T\n\n'''text outptu\ntrue\n'''",
			`page.md:3: a block "text outptu": there are output, input and key`,
		},
		{"# T\n\n'''sh 1\n'''", "page.md:3: an empty block"},
		{
			"# T\n\n'''sh 1\ncat\n'''\n\n'''text key 1\nCtrl-Q\n'''",
			`page.md:7: no key "Ctrl-Q": there are Ctrl-C, Ctrl-D, Ctrl-Z and Ctrl-\`,
		},
		{
			"# T\n\n'''sh 2\ncat\n'''\n\n'''text input 2\nx\ny\n'''",
			"page.md:7: 2 lines of input: each is a block, with its output",
		},
		{
			"# T\n\n" + two + "'''sh 2\ncat\n'''\n\n'''text input 1\nx\n'''",
			"page.md:9: nothing was started that could be answered",
		},
		{
			"# T\n\n'''sh 1\n" + strings.Repeat("x", 81) + "\n'''",
			"page.md:3: a line of 81 characters, and 80 are readable: " +
				strings.Repeat("x", 81),
		},
		{"# T\n\n<details>\n\nx\n", "page.md:1: 1 more <details> than </details>"},
	} {
		_, err := Parse("page.md", fences(test.page))
		assert.EqualError(t, err, test.want, test.page)
	}
}

// Which shell of its terminal a block is for, and what its prompt is.
func TestShells(t *testing.T) {
	c, err := Parse("page.md", Label("page.md", fences(`# T

'''sh 2
step1-pid -p bash --norc
'''

'''sh 2
unshare --net bash --norc
'''

'''sh 2
PS1='other# ' nsenter --net --target $(pgrep -f "step4-net -n") bash --norc
'''

'''sh 2
exit
'''

'''sh 1
bash --norc -c 'true'
exit
'''

'''sh 2 back
true
'''

'''sh 2
step5-ipc -i no bash --norc
'''

'''text input 2
exit
'''

'''sh 2
exit
'''
`)))
	require.NoError(t, err)
	var shells []string
	for _, step := range c.Steps() {
		shells = append(shells, fmt.Sprintf("%d %s %s", step.Depth, step.Prompt,
			step.Opens))
	}
	assert.Equal(t, []string{
		"1 host# step1-pid#", "2 step1-pid# step1-pid#", "3 step1-pid# other#",
		"4 other# ", "1 host# ", "2 step1-pid# ", "2 step1-pid# step5-ipc#",
		"3 step5-ipc# ", "3 step5-ipc# ",
	}, shells)
}

func TestOpened(t *testing.T) {
	for line, want := range map[string]string{
		"bash --norc":                                                  "me#",
		"unshare --uts bash --norc":                                    "me#",
		"chroot jail bash --norc":                                      "me#",
		"step3-uts -u box bash --norc":                                 "step3-uts#",
		"./bin/step3-uts -u box bash --norc":                           "step3-uts#",
		"PS1='a b# ' nsenter --net bash --norc":                        "a b#",
		"PS1='x# ' step3-uts -u box bash --norc":                       "step3-uts#",
		"step3-uts -u box env PS1='x# ' bash --norc":                   "x#",
		"nsenter -t $(pgrep step3-uts) --uts bash --norc":              "me#",
		"step1-pid -p $(command -v step2-mnt) bash --norc":             "step2-mnt#",
		"join -t $(cat box) bash --norc":                               "join#",
		`join -nt $(cat box) "$(command -v step2-mnt)" -m bash --norc`: "step2-mnt#",
		`step1-pid "$(command -v step2-mnt)" -m bash --norc`:           "step2-mnt#",
		"pkill step3-uts; unshare --uts bash --norc":                   "me#",
	} {
		assert.Equal(t, want, opened(line, "me#"), line)
	}
}

// A page without labels gets them, and one that has them stays as it is.
func TestLabel(t *testing.T) {
	text := fences(`# T
Words.
'''sh 1
true
'''

<!-- demo: A step. -->
'''sh 2
step1-pid bash --norc
'''

1. An exercise.

   **terminal 1** "host#"

   '''sh 2
   exit
   '''
`)
	want := fences(`# T
Words.

**terminal 1** "host#"
'''sh 1
true
'''

<!-- demo: A step. -->
**terminal 2** "host#"
'''sh 2
step1-pid bash --norc
'''

1. An exercise.

   **terminal 2** "step1-pid#"

   '''sh 2
   exit
   '''
`)
	assert.Equal(t, string(want), string(Label("page.md", text)))
	assert.Equal(t, string(want), string(Label("page.md", want)))
	wrong := fences("# T\n\n'''sh 3\ntrue\n'''\n")
	assert.Equal(t, string(wrong), string(Label("page.md", wrong)))
}
