package page

import (
	"strings"
	"testing"

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
		{Step: &Step{
			Kind: Commands, Terminal: Host, At: 10,
			Lines:  []string{"echo one", "echo two"},
			Depths: []int{1, 1}, Output: "one\ntwo", Vary: []string{"pid", "size"},
			hasOutput: true,
		}},
		{Prose: "Words between."},
		{Step: &Step{
			Kind: Commands, Terminal: Inside, At: 28, Lines: []string{"cat"},
			Depths: []int{1}, Open: true,
		}},
		{Step: &Step{
			Kind: Commands, Terminal: Host, At: 32, Lines: []string{"true"},
			Depths: []int{1},
		}},
		{Step: &Step{
			Kind: Input, Terminal: Inside, At: 36, Lines: []string{"a line"},
			Depths: []int{1}, Open: true,
		}},
		{Step: &Step{
			Kind: Key, Terminal: Inside, At: 40, Lines: []string{"Ctrl-D"},
			Depths: []int{1},
		}},
		{Step: &Step{
			Kind: Commands, Terminal: Host, At: 48,
			Lines: []string{"echo folded"}, Depths: []int{1}, Folded: true,
		}},
		{Prose: "Last."},
	}, c.Sections[1].Parts)
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ page, want string }{
		{"", "page.md:1: a page begins with a heading"},
		{"Words.", "page.md:1: a page begins with a heading"},
		{"'''sh host\ntrue\n'''", "page.md:2: a page begins with a heading"},
		{"# T\n\n'''text output\nx\n'''", "page.md:3: output without commands"},
		{
			"# T\n\n'''sh host\ntrue\n'''\n\n## S\n\n'''text output\nx\n'''",
			"page.md:9: output without commands",
		},
		{
			"# T\n\n'''sh host\ntrue\n'''\n'''text output\nx\n'''\n'''text output\nx\n" +
				"'''",
			"page.md:9: a second output of the same commands",
		},
		{
			"# T\n\n'''sh host\ntrue\n'''\n\n'''text output pid colour\nx\n'''",
			`page.md:7: no pattern "colour"; there are date, inode, key, pid, size, tty`,
		},
		{
			"# T\n\n'''sh\ntrue\n'''",
			"page.md:3: which terminal? The word behind is host or inside",
		},
		{
			"# T\n\n'''sh outside\ntrue\n'''",
			"page.md:3: which terminal? The word behind is host or inside",
		},
		{
			"# T\n\n'''sh host inside\ntrue\n'''",
			`page.md:3: no word "inside": there are running, back, and fails with the numbers of lines`,
		},
		{
			"# T\n\n'''sh host\ncat\n'''\n\n'''text key host running\nCtrl-C\n'''",
			`page.md:7: no word "running": there are running, back, and fails with the numbers of lines`,
		},
		{
			"# T\n\n'''sh host fails\nfalse\n'''",
			"page.md:3: which lines fail? Their numbers stand behind",
		},
		{
			"# T\n\n'''sh host fails 2\nfalse\n'''",
			"page.md:3: there is no line 2 that could fail",
		},
		{
			"# T\n\n'''sh host\nexit\ntrue\n'''",
			"page.md:5: the first shell of the terminal host has ended",
		},
		{
			"# T\n\n'''sh inside back\ntrue\n'''",
			"page.md:4: the first shell of the terminal inside has ended",
		},
		{
			"# T\n\n<details>\n\n'''sh inside\nstep1-pid bash --norc\n'''\n\n" +
				"</details>\n" +
				"\n'''sh inside\nexit\n'''",
			"page.md:12: the folded blocks before leave a terminal to another shell",
		},
		{
			"# T\n\n**inside**\n'''sh host\ntrue\n'''",
			"page.md:4: it is for the terminal host, and the label says inside",
		},
		{
			"# T\n\n'''bash host\ntrue\n'''",
			`page.md:3: a block "bash": commands are of "sh host" or "sh inside"`,
		},
		{
			"# T\n\n'''text outptu\ntrue\n'''",
			`page.md:3: a block "text outptu": there are output, input and key`,
		},
		{"# T\n\n'''sh host\n'''", "page.md:3: an empty block"},
		{
			"# T\n\n'''sh host\ncat\n'''\n\n'''text key host\nCtrl-Q\n'''",
			`page.md:7: no key "Ctrl-Q": there are Ctrl-C, Ctrl-D, Ctrl-Z and Ctrl-\`,
		},
		{
			"# T\n\n'''sh inside\ncat\n'''\n\n'''text input inside\nx\ny\n'''",
			"page.md:7: 2 lines of input: each is a block, with its output",
		},
		{
			"# T\n\n'''sh inside\ncat\n'''\n\n'''text input host\nx\n'''",
			"page.md:8: nothing was started that could be answered",
		},
		{
			"# T\n\n'''sh host\n" + strings.Repeat("x", 81) + "\n'''",
			"page.md:3: a line of 81 characters, and 80 are readable: " +
				strings.Repeat("x", 81),
		},
		{"# T\n\n<details>\n\nx\n", "page.md:1: 1 more <details> than </details>"},
	} {
		_, err := Parse("page.md", fences(test.page))
		assert.EqualError(t, err, test.want, test.page)
	}
}

// Which shell of its terminal a line is for.
func TestDepths(t *testing.T) {
	c, err := Parse("page.md", fences("# T\n\n'''sh inside\nstep1-pid -p bash --norc\n"+
		"unshare --net bash --norc\nexit\ntrue\n'''\n\n"+
		"'''sh host\nbash --norc -c 'true'\nexit\n'''\n\n'''sh inside back\ntrue\n'''\n"+
		"\n"+
		"'''sh inside\nstep5-ipc -i no bash --norc\n'''\n\n'''text input inside\nexit\n"+
		"'''\n\n'''sh inside\nexit\n'''\n"))
	require.NoError(t, err)
	var depths [][]int
	for _, step := range c.Steps() {
		depths = append(depths, step.Depths)
	}
	assert.Equal(t, [][]int{{1, 2, 3, 2}, {1, 1}, {1}, {1}, {2}, {2}}, depths)
}
