//go:build linux

package play

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"golang.org/x/sys/unix"

	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
	"nsteps/workshop/session"
)

// colours are those of the terminals' names. A projector shows them, on a light
// background as well as on a dark one.
var colours = map[page.Terminal]*output.Colour{
	1: output.OnGreen, 2: output.OnYellow,
}

// Times between two characters of what is typed.
const (
	typing = 15 * time.Millisecond // as a person does
	brisk  = 4 * time.Millisecond  // where nobody is asked for a key
)

// A player shows what it does as it goes.
type player struct {
	err      error         // the first of writing
	terminal bool          // stdout is one
	wait     bool          // for a key before each line
	stroke   time.Duration // between two characters of what is typed; 0 without a terminal
	width    int           // of the prose
	rows     int           // of the terminal
	moves    bool          // the terminal can move its cursor
	keyboard *keyboard     // nil without keys
}

// newPlayer returns a player, which waits for keys if they can be had and are wanted.
func newPlayer(wait bool) *player {
	p := &player{width: output.ProseColumns()}
	if _, p.terminal = output.Columns(); p.terminal {
		_, err := unix.IoctlGetTermios(0, unix.TCGETS)
		p.stroke, p.wait = brisk, wait && err == nil
		p.rows = output.Rows()
		p.moves = !slices.Contains([]string{"", "dumb"}, os.Getenv("TERM"))
		if p.wait {
			p.stroke = typing
		}
	}
	return p
}

func (p *player) print(text string) {
	if p.err == nil {
		p.err = output.Write(text)
	}
}

func (p *player) prose(text string) { p.print(marked(output.Fill(text, p.width)) + "\n") }

var codeMark = regexp.MustCompile("`([^`]*)`")

// marked returns a text with its code in bold, and in quotes where nothing is bold.
func marked(text string) string {
	if color.NoColor {
		return text
	}
	return codeMark.ReplaceAllStringFunc(text, func(quoted string) string {
		return output.Bold.Sprint(strings.Trim(quoted, "`"))
	})
}

// key waits for a key, for some time, or for good if that is negative. A key that doesn't
// go on is an error.
func (p *player) key(ctx context.Context, limit time.Duration) (key, error) {
	if p.err != nil {
		return none, p.err
	}
	if p.keyboard != nil {
		pressed, err := p.keyboard.wait(ctx, limit)
		if err == nil {
			err = keyErrors[pressed]
		}
		return pressed, err
	}
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-time.After(max(limit, 0)):
		return none, nil
	}
}

// typed shows a line as if somebody typed it. A key that goes on shows the rest at once.
func (p *player) typed(ctx context.Context, line string) error {
	if p.stroke == 0 {
		p.print(output.Bold.Sprint(line) + "\n")
		return p.err
	}
	for i, r := range line {
		pressed, err := p.key(ctx, p.stroke)
		if err != nil {
			return err
		}
		if pressed == goOn {
			p.print(output.Bold.Sprint(line[i:]))
			break
		}
		p.print(output.Bold.Sprint(string(r)))
	}
	p.print("\n")
	return p.err
}

// output prints what a command has printed.
func (p *player) output(text string) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	p.print(text)
}

// A show is a chapter that is being played.
type show struct {
	*player
	ctx     context.Context
	chapter *page.Chapter
	bin     string
	again   string // the command that plays it
	session *session.Session
	next    position // what hasn't been typed yet, of the section that is played
	typedIn bool     // something of that section has been typed
}

// A position is a line of a part of a section.
type position struct{ part, line int }

// begin starts a new session and executes the sections before this one, unseen.
func (s *show) begin(section int) (err error) {
	if err := s.close(); err != nil {
		return err
	}
	if s.session, err = session.Start(s.ctx, s.bin, true); err != nil {
		return &advice.Error{Err: err, Advice: Doctor()}
	}
	for _, before := range s.chapter.Sections[:section] {
		if err := s.unseen(before, position{}, len(before.Parts)); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) close() error {
	if s.session == nil {
		return nil
	}
	return s.session.Close()
}

// unseen executes the lines of a section from a position up to a part.
func (s *show) unseen(section *page.Section, from position, to int) error {
	for i := from.part; i < to; i++ {
		step := section.Parts[i].Step
		if step == nil || step.Folded {
			continue
		}
		for line := range step.Lines {
			if i == from.part && line < from.line {
				continue
			}
			printed, err := s.session.Line(step, line)
			if err != nil {
				s.output(printed)
				return s.stop(step, line, err)
			}
		}
	}
	return nil
}

func (s *show) stop(step *page.Step, line int, err error) error {
	return stop(s.ctx, s.session, s.chapter, step, line, s.again, err)
}

// play plays a chapter from a section on.
func (p *player) play(ctx context.Context, ch *page.Chapter, start int,
	bin string,
) (err error) {
	s := &show{player: p, ctx: ctx, chapter: ch, bin: bin, again: "play " + ch.Name}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.begin(start); err != nil {
		return err
	}
	p.print("\n" + output.Bold.Sprint(output.Fill("== "+ch.Title+" ==",
		p.width)) + "\n\n")
	p.prose("Terminal 1 stays on this machine, the host. Terminal 2 starts the steps.")
	if p.wait {
		p.print(keysHelp + "\n\n")
	}
	sections := played(ch)
	for n := max(0, slices.Index(sections, start)); n < len(sections); {
		err := s.section(sections, n)
		switch {
		case errors.Is(err, errForward):
			p.print("\n")
			section := ch.Sections[sections[n]]
			if n++; n < len(sections) {
				err = s.unseen(section, s.next, len(section.Parts))
			} else {
				err = nil
			}
		case errors.Is(err, errBack):
			p.print("\n")
			if !s.typedIn {
				n = max(0, n-1)
			}
			p.print("\n")
			p.prose("The commands before this section run again, unseen.")
			err = s.begin(sections[n])
		default:
			n++
		}
		if err != nil {
			return err
		}
	}
	p.print("\n")
	p.prose("That was the chapter. Everything it made is gone. The page explains each " +
		"output: docs/" + ch.Name + ".md")
	return p.err
}

// played returns the numbers of the sections that are shown: the first, and those with
// commands.
func played(ch *page.Chapter) (numbers []int) {
	for i, section := range ch.Sections {
		if i == 0 || len(steps(section)) > 0 {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// section plays a section, given by its place in a list of those that are shown.
func (s *show) section(sections []int, n int) error {
	section := s.chapter.Sections[sections[n]]
	if sections[n] > 0 {
		where := fmt.Sprintf(" (section %d of %d)", n, len(sections)-1)
		s.print("\n" + output.Bold.Sprint(output.Fill(section.Title+where,
			s.width)) + "\n")
	}
	s.typedIn, s.next = false, position{}
	for i, part := range section.Parts {
		switch {
		case part.Step == nil && isShown(section.Parts, i, sections[n] == 0):
			s.print("\n")
			s.prose(part.Prose)
		case part.Step != nil && !part.Step.Folded:
			s.next = position{part: i}
			if err := s.step(part.Step); err != nil {
				return err
			}
		}
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// isShown reports whether a paragraph introduces its section, explains an output, or
// stands before a command. The introduction of a chapter has two such paragraphs.
func isShown(parts []page.Part, i int, introduction bool) bool {
	typed := func(i int) bool {
		return i >= 0 && i < len(parts) && parts[i].Step != nil && !parts[i].Step.Folded
	}
	return i == 0 || introduction && i == 1 || typed(i-1) || typed(i+1)
}

func (s *show) step(step *page.Step) error {
	s.print("\n" + colours[step.Terminal].Sprint(" "+step.Terminal.String()+" ") + "\n")
	for i, line := range step.Lines {
		if i > 0 && s.session.More() { // of a here-document, which is one command
			s.print("> ")
		} else {
			s.print(prompt(step))
			if s.wait {
				if _, err := s.key(s.ctx, -1); err != nil {
					return err
				}
			}
		}
		if err := s.typed(s.ctx, line); err != nil {
			return err
		}
		s.next.line, s.typedIn = i+1, true
		printed, err := s.session.Line(step, i)
		s.output(printed)
		if err != nil {
			return s.stop(step, i, err)
		}
	}
	return s.err
}

// prompt returns what stands before a line of a step.
func prompt(step *page.Step) string {
	if step.Kind != page.Commands {
		return string(step.Kind) + "> "
	}
	return step.Prompt + " "
}
