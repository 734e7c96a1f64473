// Package page parses the chapters in docs: they are the one source of what people read,
// of what workshop play plays, and of what the tests run. Package session executes them.
//
// A chapter is a Markdown page. It has two terminals: terminal 1 stays on the host, and
// steps are started in terminal 2. The words behind the fence of a block say what it is:
//
//	sh TERMINAL [word...]  commands for a shell in terminal 1 or 2, and in any order:
//	    running            the last of these commands goes on running
//	    back               the shell that was started in the terminal has been killed from
//	                       the other one: these commands are for the shell before
//	    fails N...         the lines with these numbers end with a status other than 0
//	text output [kind...]  what the block before it prints; the kinds, keys of Patterns,
//	                       name what differs from run to run
//	text input TERMINAL    a line for a program that is running in that terminal and asks
//	text key TERMINAL      a key for it: Ctrl-C, Ctrl-D, Ctrl-Z or Ctrl-\
//
// A rendered page doesn't show the words behind a fence. A label says the same: a line of
// its own before each block that is typed. It names the terminal and the prompt of the
// shell that the block is typed into, or the word input or key. The prompt isn't in the
// block, so a copy of the block has only commands:
//
//	**terminal 2** `step1-pid#`
//	```sh 2
//	echo $$ $PPID
//	```
//
// A terminal starts with one shell, and its prompt is host#. A command that ends with
// "bash --norc" starts another shell. A step gives that shell the prompt of its own name,
// such as step1-pid#. The words PS1='NAME# ' in the command set the prompt to NAME#. From
// all other commands the new shell inherits the prompt. A line "exit" ends a shell. All
// lines of a block are for one shell, so a line that starts or ends a shell is the last
// of its block. Parse computes the prompts, and refuses a label with another one.
//
// Commands without an output print nothing. Each command has to end, except the last of a
// block with the word running, and the last of a block that an input or a key of the same
// terminal follows: that command has to print its output. All blocks are executed in the
// order of the page, the answers in <details> too. A folded block has to leave each
// terminal to the shell that it found there, because not everybody executes it.
//
// Comments say more:
//
//	<!-- needs root -->       the page doesn't run in a user namespace
//	<!-- needs root before Linux X.Y -->
//	                          it doesn't on a kernel that is older
//	<!-- needs: COMMAND... --> it runs programs that few machines have; their packages
//	                          have the same names
//	<!-- may fail -->         any command may fail, because the page is about errors
//	<!-- demo: SENTENCE -->   the block behind the label that follows is a part of
//	                          workshop demo, which shows the sentence before the block
//
// Before each block go and diff stands a comment that says what the block shows: see
// Blocks, and the program docs/include.
package page

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"nsteps/internal/linux"
)

// MaxColumns is how long a command may be, so that it can be read on a page, and typed
// into a terminal without being wrapped.
const MaxColumns = 80

// A Chapter is a page.
type Chapter struct {
	File      string // as given to Parse
	Name      string // the file's, without directory and .md
	Title     string
	NeedsRoot bool     // of the initial user namespace
	Needs     []string // commands that few machines have
	mayFail   bool     // any command
	Sections  []*Section
}

// A Section is the part of a page below a heading of the first or second level.
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

// A Terminal is one of the two.
type Terminal int

// Terminals are the numbers of the terminals.
var Terminals = []Terminal{1, 2}

func (t Terminal) String() string { return fmt.Sprintf("terminal %d", int(t)) }

// HostPrompt is the prompt of the first shell in each terminal.
const HostPrompt = "host#"

// A Step is a block that is typed, with what it prints.
type Step struct {
	Kind     Kind
	Terminal Terminal
	At       int // the line of the page where Lines begin
	Lines    []string
	Output   string
	Vary     []string // keys of Patterns, for Output
	Folded   bool     // in <details>
	// Fails are the lines that end with a status other than 0, counted from 1.
	Fails []int
	// Depth says for which of the terminal's shells the lines are: 1 is the first, 2 is a
	// shell that was started in the first, and so on. Prompt is what that shell prints
	// before a space, and Opens is the prompt of the shell that the last line starts, ""
	// if the last line starts none.
	Depth         int
	Prompt, Opens string
	Demo          string // what workshop demo says about the step, "" if it is not in it
	// Open says that the program of the last line isn't waited for: it goes on running.
	Open bool

	label     string // as the page has it
	hasOutput bool
	back      bool // the shell started last has been killed meanwhile
	lenient   bool // any line may fail
}

// MayFail reports whether the status of a line doesn't count: because the page says so,
// because the line is a key that ends a program, or because exit(1p) hands on the status
// of the command before.
func (s *Step) MayFail(i int) bool {
	return s.lenient || s.Kind == Key || Closes(s.Lines[i]) ||
		slices.Contains(s.Fails, i+1)
}

// Opens reports whether a command starts a shell to type in.
func Opens(line string) bool { return strings.HasSuffix(line, "bash --norc") }

// Closes reports whether a command ends the shell that it is typed in.
func Closes(line string) bool {
	return line == "exit" || strings.HasPrefix(line, "exit ")
}

// prompting matches what sets the prompt of a shell that a command starts, and all of
// $(...), where a step may be only looked for.
var prompting = regexp.MustCompile(`\$\((?:command -v (step[0-9]+-[a-z]+))?[^)]*\)` +
	`|\bPS1='([^']*)'|(?:^|[\s/])(step[0-9]+-[a-z]+|join|container)\s`)

// opened returns the prompt of a shell that a command starts, given the prompt of the
// shell that it is typed into.
func opened(line, prompt string) string {
	line = line[strings.LastIndex(line, ";")+1:]
	for _, match := range prompting.FindAllStringSubmatch(line, -1) {
		switch step := cmp.Or(match[1], match[3]); {
		case step != "":
			prompt = step + "#"
		case match[2] != "":
			prompt = strings.TrimSpace(match[2])
		}
	}
	return prompt
}

// Keys are what the keys of steps send to a terminal.
var Keys = map[string]string{
	"Ctrl-C": "\x03", "Ctrl-D": "\x04", "Ctrl-Z": "\x1a", `Ctrl-\`: "\x1c",
}

// Patterns match what may differ from run to run, and nothing else does.
var Patterns = map[string]string{
	// A number but 0 and 1: who is PID 1, and who has no parent, is no matter of chance.
	"pid":   `\b(?:[2-9]|[1-9][0-9]{1,6})\b`,
	"inode": `\b[1-9][0-9]{7,19}\b`, // of a namespace (namespaces(7))
	"date": `\b[0-9]{4}-[0-9]{2}-[0-9]{2}` +
		`(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?` +
		`|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ?[0-9 ][0-9]` +
		`(?: +[0-9]{2}:[0-9]{2}| +[0-9]{4})?\b` +
		`|\b[0-9]{2}:[0-9]{2}(?::[0-9]{2})?\b`,
	"size": `\b[0-9]+(?:\.[0-9]+)?[KMGT]?\b`,
	"tty":  `\b(?:pts/[0-9]+|tty[0-9]+)\b`,
	"key":  `\b0x[0-9a-f]{8}\b`, // of a System V queue (ftok(3))
	// The SHA-256 sum of a part of an image, in hexadecimal digits.
	"digest": `\b[0-9a-f]{64}\b`,
	// An end of a cable, with the number of the other end: ip-address(8).
	"link": `\b(?:veth|eth0@if)[0-9]+(?:@if[0-9]+)?\b`,
}

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
	name := strings.TrimSuffix(path.Base(file), ".md")
	p := &reader{page: page, chapter: &Chapter{File: file, Name: name}}
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
	folded  int    // how many <details> are open
	last    *Step  // of this section
	demo    string // what a comment says about the next step
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
		if isLabel.MatchString(source(n, p.page)) {
			return ast.WalkSkipChildren, p.beforeBlock(n)
		}
		prose := plain(n, p.page)
		if prose != "" && p.folded == 0 && n.Parent().Kind() == ast.KindDocument {
			return ast.WalkSkipChildren, p.add(n, Part{Prose: prose})
		}
	case *ast.HTMLBlock:
		html := htmlText(n, p.page)
		p.folded += strings.Count(html, "<details") - strings.Count(html, "</details")
		p.chapter.NeedsRoot = p.chapter.NeedsRoot || needsRoot(comment(html))
		p.chapter.mayFail = p.chapter.mayFail || comment(html) == "may fail"
		if needs, ok := strings.CutPrefix(comment(html), "needs:"); ok {
			p.chapter.Needs = append(p.chapter.Needs, strings.Fields(needs)...)
		}
		if sentence, ok := strings.CutPrefix(comment(html), "demo:"); ok {
			return ast.WalkContinue, p.mark(n, strings.TrimSpace(sentence))
		}
	case *ast.FencedCodeBlock:
		return ast.WalkContinue, p.block(n)
	}
	return ast.WalkContinue, nil
}

// needsRoot reports whether a comment says that the page needs root, on this kernel.
func needsRoot(comment string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(comment, "needs root before Linux %d.%d", &major, &minor)
	return comment == "needs root" || n == 2 && !linux.Since(major, minor)
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
	content := strings.TrimSuffix(string(n.Lines().Value(p.page)), "\n")
	var info []string
	if n.Info != nil {
		info = strings.Fields(string(n.Info.Value(p.page)))
	}
	isText := len(info) > 1 && info[0] == "text" // alone, it is for reading only
	var err error
	switch {
	case len(info) == 0 || info[0] != "sh" && !isText && !isShell(info[0]):
		if label(n, p.page) != "" || p.demo != "" {
			err = errors.New("the block behind a label isn't typed")
		}
	case isShell(info[0]):
		err = fmt.Errorf("a block %q: commands are of \"sh 1\" or \"sh 2\"", info[0])
	case isText && info[1] == "output":
		err = p.output(content, info[2:])
	default:
		step := &Step{
			At: at, Lines: strings.Split(content, "\n"), Folded: p.folded > 0,
			label: label(n, p.page), Demo: p.demo,
		}
		p.demo = ""
		if err = step.describe(info); err == nil {
			err = step.check()
		}
		if err == nil {
			p.last = step
			return p.add(n, Part{Step: step})
		}
	}
	if err != nil {
		return fmt.Errorf("%d: %w", at-1, err)
	}
	return nil
}

// isShell reports whether a block's language is another name of sh.
func isShell(language string) bool {
	return language == "bash" || language == "console" || language == "shell"
}

// isLabel matches the line before a block that is typed.
var isLabel = regexp.MustCompile("^\\*\\*terminal [0-9]\\*\\* *(`[^`]*`|[a-z]*)$")

// label returns the label before a block, "" if there is none.
func label(n ast.Node, page []byte) string {
	before, ok := n.PreviousSibling().(*ast.Paragraph)
	if !ok || !isLabel.MatchString(source(before, page)) {
		return ""
	}
	return source(before, page)
}

// beforeBlock checks that a block follows a label.
func (p *reader) beforeBlock(n ast.Node) error {
	if _, ok := n.NextSibling().(*ast.FencedCodeBlock); !ok {
		return fmt.Errorf("%d: no block behind the label", line(n, p.page))
	}
	return nil
}

// mark notes what a comment says about the step behind it.
func (p *reader) mark(n *ast.HTMLBlock, sentence string) error {
	next := n.NextSibling()
	if next != nil && isLabel.MatchString(source(next, p.page)) {
		next = next.NextSibling()
	}
	switch block, ok := next.(*ast.FencedCodeBlock); {
	case !ok || block.Info == nil: // Parse asks for the label itself
		return fmt.Errorf("%d: no label and block behind the comment of the demo",
			line(n, p.page))
	case sentence == "":
		return fmt.Errorf("%d: the demo shows a sentence: <!-- demo: SENTENCE -->",
			line(n, p.page))
	}
	p.demo = sentence
	return nil
}

// output reads what the last step prints.
func (p *reader) output(content string, vary []string) error {
	if p.last == nil {
		return errors.New("output without commands")
	}
	if p.last.hasOutput {
		return errors.New("a second output of the same commands")
	}
	for _, kind := range vary {
		if _, ok := Patterns[kind]; !ok {
			known := strings.Join(slices.Sorted(maps.Keys(Patterns)), ", ")
			return fmt.Errorf("no pattern %q; there are %s", kind, known)
		}
	}
	p.last.Output, p.last.Vary, p.last.hasOutput = content, vary, true
	return nil
}

// describe takes over the words behind a fence.
func (s *Step) describe(info []string) error {
	if s.Kind = Commands; info[0] == "text" {
		if s.Kind, info = Kind(info[1]), info[1:]; s.Kind != Input && s.Kind != Key {
			return fmt.Errorf(
				"a block \"text %s\": there are output, input and key", s.Kind)
		}
	}
	if len(info) < 2 || info[1] != "1" && info[1] != "2" {
		return errors.New("which terminal? The word behind is 1 or 2")
	}
	s.Terminal = Terminal(info[1][0] - '0')
	fails := false
	for _, word := range info[2:] {
		number, err := strconv.Atoi(word)
		switch {
		case word == "fails":
			fails = true
		case fails && err == nil && number >= 1 && number <= len(s.Lines):
			s.Fails = append(s.Fails, number)
		case fails && err == nil:
			return fmt.Errorf("there is no line %d that could fail", number)
		case s.Kind == Commands && word == "running":
			s.Open = true
		case s.Kind == Commands && word == "back":
			s.back = true
		default:
			return fmt.Errorf("no word %q: there are running, back, "+
				"and fails with the numbers of lines", word)
		}
	}
	if fails && len(s.Fails) == 0 {
		return errors.New("which lines fail? Their numbers stand behind")
	}
	return nil
}

// check says what is wrong with the lines of a step.
func (s *Step) check() error {
	switch {
	case len(s.Lines) == 1 && s.Lines[0] == "":
		return errors.New("an empty block")
	case s.Kind != Commands && len(s.Lines) > 1:
		return fmt.Errorf("%d lines of %s: each is a block, with its output",
			len(s.Lines), s.Kind)
	case s.Kind == Key && Keys[s.Lines[0]] == "":
		return fmt.Errorf(
			"no key %q: there are Ctrl-C, Ctrl-D, Ctrl-Z and Ctrl-\\", s.Lines[0])
	}
	for i, line := range s.Lines {
		if n := utf8.RuneCountInString(line); n > MaxColumns {
			return fmt.Errorf("a line of %d characters, and %d are readable: %s",
				n, MaxColumns, line)
		}
		if s.Kind == Commands && i < len(s.Lines)-1 && (Opens(line) || Closes(line)) {
			return fmt.Errorf("a line that starts or ends a shell is the last of its "+
				"block: %s", line)
		}
	}
	return nil
}

// finish finds the steps that are answered by a later one, and the shell of each line.
func (p *reader) finish() error {
	if p.chapter.Title == "" {
		return fmt.Errorf("1: a page begins with a heading")
	}
	if p.folded != 0 {
		return fmt.Errorf("1: %d more <details> than </details>", p.folded)
	}
	before := map[Terminal]*Step{}
	shells := map[Terminal][]string{} // the prompts of all that run
	for _, terminal := range Terminals {
		shells[terminal] = []string{HostPrompt}
	}
	unfolded := maps.Clone(shells)
	for _, step := range p.chapter.Steps() {
		step.lenient = p.chapter.mayFail
		if step.Kind != Commands {
			if before[step.Terminal] == nil {
				return fmt.Errorf(
					"%d: nothing was started that could be answered", step.At)
			}
			before[step.Terminal].Open = true
		}
		before[step.Terminal] = step
		if !step.Folded && !maps.EqualFunc(shells, unfolded, slices.Equal) {
			return fmt.Errorf(
				"%d: the folded blocks before leave a terminal to another shell",
				step.At)
		}
		if err := step.find(shells); err != nil {
			return err
		}
		if !step.Folded {
			unfolded = maps.Clone(shells)
		}
	}
	return nil
}

// find notes which of its terminal's shells a step is for, given the prompts of all, and
// checks the label.
func (s *Step) find(shells map[Terminal][]string) error {
	prompts := shells[s.Terminal]
	if s.back {
		prompts = prompts[:len(prompts)-1]
	}
	if len(prompts) == 0 {
		return fmt.Errorf("%d: the first shell of %s has ended", s.At, s.Terminal)
	}
	s.Depth, s.Prompt = len(prompts), prompts[len(prompts)-1]
	switch last := s.Lines[len(s.Lines)-1]; {
	case s.Kind != Commands:
	case Opens(last):
		s.Opens = opened(last, s.Prompt)
		prompts = append(slices.Clone(prompts), s.Opens)
	case Closes(last):
		prompts = prompts[:len(prompts)-1]
	}
	shells[s.Terminal] = prompts
	want := fmt.Sprintf("**%s** %s", s.Terminal, s.Kind)
	if s.Kind == Commands {
		want = fmt.Sprintf("**%s** `%s`", s.Terminal, s.Prompt)
	}
	if s.label != want {
		return &labelError{step: s, want: want}
	}
	return nil
}

// A labelError is a step with another label than its terminal and its shell have.
type labelError struct {
	step *Step
	want string
}

func (e *labelError) Error() string {
	return fmt.Sprintf("%d: the label before the block has to be: %s", e.step.At-1, e.want)
}

// line returns the line of the page where a block's content begins.
func line(n ast.Node, page []byte) int {
	block, ok := n.(*ast.FencedCodeBlock)
	if ok && n.Lines().Len() == 0 && block.Info != nil {
		return 2 + bytes.Count(page[:block.Info.Segment.Start], []byte("\n"))
	}
	if n.Lines().Len() == 0 {
		return 1
	}
	return 1 + bytes.Count(page[:n.Lines().At(0).Start], []byte("\n"))
}

// source returns a block as the page has it.
func source(n ast.Node, page []byte) string {
	return strings.TrimSpace(string(n.Lines().Value(page)))
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
