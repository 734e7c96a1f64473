// Package chapter reads the chapters in docs, and executes them: they are the one source
// of what people read, of what workshop play plays, and of what the tests run.
//
// A chapter is a Markdown page. Its fenced blocks say by the words behind the fence what
// they are:
//
//	sh host                commands for a shell on the host
//	sh inside              commands for a shell in a second terminal, in which a step is
//	                       started by such a block
//	sh TERMINAL running    the last of these commands goes on running
//	text output [kind...]  what the block before it prints; the kinds, keys of Patterns,
//	                       name what differs from run to run
//	text input TERMINAL    a line for a program that is running in that terminal and asks
//	text key TERMINAL      a key for it: Ctrl-C, Ctrl-D, Ctrl-Z or Ctrl-\
//
// What is behind a fence can't be seen on a rendered page: so a line **host** or **inside**
// stands before each block that is typed.
//
// Commands without an output print nothing. They have to end, but for the last of a block
// with the word running, or with an input or a key behind it for its terminal: that one
// has to print its output. All of it is executed in the order of the page, the answers in
// <details> too.
//
// A comment "needs root" says that the page doesn't run in a user namespace. Blocks go
// and diff have no place in a chapter but behind a comment that says what they show, see
// Include.
package chapter

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// MaxColumns is how long a command may be, so that it can be read on a page, and typed
// into a terminal without being wrapped.
const MaxColumns = 80

// A Chapter is a page.
type Chapter struct {
	File      string // as given to Parse
	Name      string // the file's, without directory and .md
	Title     string
	NeedsRoot bool // of the initial user namespace
	Sections  []*Section
}

// A Section is what stands beneath a heading of the first or second level.
type Section struct {
	Title string
	Parts []Part
}

// A Part is a paragraph or a step: one of the two is set.
type Part struct {
	Prose string // as text, without marks, on one line
	Step  *Step
}

// A Kind says what the lines of a step are.
type Kind string

// The kinds of steps.
const (
	Commands Kind = "sh"
	Input    Kind = "input"
	Key      Kind = "key"
)

// The terminals.
const (
	Host   = "host"
	Inside = "inside"
)

// A Step is a block that is typed, with what it prints.
type Step struct {
	Kind     Kind
	Terminal string // Host or Inside
	At       int    // the line of the page where Lines begin
	Lines    []string
	Output   string
	Vary     []string // keys of Patterns, for Output
	Folded   bool     // in <details>
	// Open says that the program of the last line isn't waited for: it goes on running.
	Open bool

	hasOutput bool
}

var keys = map[string]string{"Ctrl-C": "\x03", "Ctrl-D": "\x04", "Ctrl-Z": "\x1a", `Ctrl-\`: "\x1c"}

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table))

// Steps returns the steps of all sections.
func (c *Chapter) Steps() (steps []*Step) {
	for _, section := range c.Sections {
		steps = append(steps, section.Steps()...)
	}
	return steps
}

// Steps returns the steps of a section.
func (s *Section) Steps() (steps []*Step) {
	for _, part := range s.Parts {
		if part.Step != nil {
			steps = append(steps, part.Step)
		}
	}
	return steps
}

// Parse reads a chapter. Its errors begin with the file and the line.
func Parse(file string, page []byte) (*Chapter, error) {
	p := &reader{page: page, chapter: &Chapter{File: file, Name: strings.TrimSuffix(path.Base(file), ".md")}}
	document := markdown.Parser().Parse(text.NewReader(page))
	err := ast.Walk(document, p.visit)
	if err == nil {
		err = p.finish()
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	return p.chapter, nil
}

type reader struct {
	page    []byte
	chapter *Chapter
	folded  int   // how many <details> are open
	last    *Step // of this section
}

func (p *reader) visit(n ast.Node, enter bool) (ast.WalkStatus, error) {
	if !enter {
		return ast.WalkContinue, nil
	}
	switch n := n.(type) {
	case *ast.Heading:
		if n.Level <= 2 {
			title := plain(n, p.page)
			if n.Level == 1 && p.chapter.Title == "" {
				p.chapter.Title = title
			}
			p.chapter.Sections = append(p.chapter.Sections, &Section{Title: title})
			p.last = nil
		}
		return ast.WalkSkipChildren, nil
	case *ast.Paragraph:
		prose := plain(n, p.page)
		if prose == Host || prose == Inside {
			return ast.WalkSkipChildren, nil // a label, see block
		}
		if prose != "" && p.folded == 0 && n.Parent().Kind() == ast.KindDocument {
			return ast.WalkSkipChildren, p.add(n, Part{Prose: prose})
		}
	case *ast.HTMLBlock:
		html := htmlText(n, p.page)
		p.folded += strings.Count(html, "<details") - strings.Count(html, "</details")
		p.chapter.NeedsRoot = p.chapter.NeedsRoot || comment(html) == "needs root"
	case *ast.FencedCodeBlock:
		return ast.WalkContinue, p.block(n)
	}
	return ast.WalkContinue, nil
}

func (p *reader) add(n ast.Node, part Part) error {
	if len(p.chapter.Sections) == 0 {
		return fmt.Errorf("%d: a page begins with a heading", line(n, p.page))
	}
	section := p.chapter.Sections[len(p.chapter.Sections)-1]
	section.Parts = append(section.Parts, part)
	return nil
}

// block reads a fenced block: see the package comment.
func (p *reader) block(n *ast.FencedCodeBlock) error {
	at := line(n, p.page)
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%d: %s", at-1, fmt.Sprintf(format, args...))
	}
	content := strings.TrimSuffix(string(n.Lines().Value(p.page)), "\n")
	var info []string
	if n.Info != nil {
		info = strings.Fields(string(n.Info.Value(p.page)))
	}
	if len(info) == 0 || info[0] == "text" && len(info) == 1 {
		return nil
	}
	step := &Step{At: at, Lines: strings.Split(content, "\n"), Folded: p.folded > 0}
	switch language := info[0]; {
	case slices.Contains([]string{"bash", "console", "shell"}, language):
		return fail("a block %q: commands are of \"sh host\" or \"sh inside\"", language)
	case language == "text" && info[1] == "output":
		if p.last == nil {
			return fail("output without commands")
		}
		if p.last.hasOutput {
			return fail("a second output of the same commands")
		}
		for _, kind := range info[2:] {
			if _, ok := Patterns[kind]; !ok {
				return fail("no pattern %q; there are %s", kind, strings.Join(kinds(), ", "))
			}
		}
		p.last.Output, p.last.Vary, p.last.hasOutput = content, info[2:], true
		return nil
	case language == "sh":
		step.Kind, info = Commands, info[1:]
	case language == "text":
		step.Kind, info = Kind(info[1]), info[2:]
	default:
		return nil
	}
	if step.Kind == Commands && len(info) == 2 && info[1] == "running" {
		step.Open, info = true, info[:1]
	}
	switch {
	case step.Kind != Commands && step.Kind != Input && step.Kind != Key:
		return fail("a block \"text %s\": there are output, input and key", step.Kind)
	case len(info) != 1 || info[0] != Host && info[0] != Inside:
		return fail("which terminal? The word behind is host or inside")
	case content == "":
		return fail("an empty block")
	}
	step.Terminal = info[0]
	if label := n.PreviousSibling(); label != nil && label.Kind() == ast.KindParagraph {
		if text := plain(label, p.page); (text == Host || text == Inside) && text != step.Terminal {
			return fail("it is for the terminal %s, and the label says %s", step.Terminal, text)
		}
	}
	if step.Kind != Commands && len(step.Lines) > 1 {
		return fail("%d lines of %s: each is a block, with its output", len(step.Lines), step.Kind)
	}
	for _, line := range step.Lines {
		if n := utf8.RuneCountInString(line); n > MaxColumns {
			return fail("a line of %d characters, and %d are readable: %s", n, MaxColumns, line)
		}
		if step.Kind == Key && keys[line] == "" {
			return fail("no key %q: there are Ctrl-C, Ctrl-D, Ctrl-Z and Ctrl-\\", line)
		}
	}
	p.last = step
	return p.add(n, Part{Step: step})
}

// finish finds the steps that are answered by a later one.
func (p *reader) finish() error {
	if p.chapter.Title == "" {
		return fmt.Errorf("1: a page begins with a heading")
	}
	if p.folded != 0 {
		return fmt.Errorf("1: %d more <details> than </details>", p.folded)
	}
	before := map[string]*Step{}
	for _, step := range p.chapter.Steps() {
		if step.Kind != Commands {
			if before[step.Terminal] == nil {
				return fmt.Errorf("%d: nothing was started that could be answered", step.At)
			}
			before[step.Terminal].Open = true
		}
		before[step.Terminal] = step
	}
	return nil
}

// line returns the line of the page where a block's content begins.
func line(n ast.Node, page []byte) int {
	if block, ok := n.(*ast.FencedCodeBlock); ok && n.Lines().Len() == 0 && block.Info != nil {
		return 2 + bytes.Count(page[:block.Info.Segment.Start], []byte("\n"))
	}
	if n.Lines().Len() == 0 {
		return 1
	}
	return 1 + bytes.Count(page[:n.Lines().At(0).Start], []byte("\n"))
}

// plain returns a block's text on one line: code stays in backquotes, links and
// emphasis lose their marks, pictures go.
func plain(n ast.Node, page []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, enter bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Image, *ast.RawHTML:
			return ast.WalkSkipChildren, nil
		case *ast.CodeSpan:
			b.WriteByte('`')
		case *ast.AutoLink:
			if enter {
				b.Write(n.Label(page))
			}
		case *ast.String:
			if enter {
				b.Write(n.Value)
			}
		case *ast.Text:
			if enter {
				b.Write(n.Segment.Value(page))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte(' ')
				}
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

func htmlText(n *ast.HTMLBlock, page []byte) string {
	html := string(n.Lines().Value(page))
	if n.HasClosure() {
		html += string(n.ClosureLine.Value(page))
	}
	return html
}

// comment returns the text of an HTML comment, or "" if it is something else.
func comment(html string) string {
	html, ok := strings.CutPrefix(strings.TrimSpace(html), "<!--")
	if !ok {
		return ""
	}
	html, _, _ = strings.Cut(html, "-->")
	return strings.TrimSpace(html)
}
