//go:build linux

package play

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
	"nsteps/workshop/session"
)

// colours are those of the terminals.
var colours = map[page.Terminal]*output.Colour{1: output.BoldGreen, 2: output.BoldYellow}

// Times between two characters of what is typed.
const (
	typing = 15 * time.Millisecond // as a person does
	brisk  = 4 * time.Millisecond  // where nobody is asked for a key
)

// A player shows what it does as it goes.
type player struct {
	err    error         // the first of writing
	wait   bool          // for keys
	stroke time.Duration // between two characters of what is typed; 0 without a terminal
	width  int           // of the prose
}

func newPlayer(auto bool) *player {
	p := &player{width: output.ProseColumns()}
	if _, terminal := output.Columns(); terminal {
		_, err := unix.IoctlGetTermios(0, unix.TCGETS)
		p.stroke, p.wait = brisk, !auto && err == nil
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

func (p *player) prose(text string) {
	p.print(output.Cyan.Sprint(output.Fill(text, p.width)) + "\n")
}

// play plays a chapter from a section on.
func (p *player) play(ctx context.Context, ch *page.Chapter, start int,
	bin string,
) (err error) {
	s, err := session.Start(ctx, bin, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, before := range ch.Sections[:start] {
		for _, step := range steps(before) {
			for i := range step.Lines {
				if printed, err := s.Line(step, i); err != nil {
					p.output(printed)
					return stop(ctx, s, ch, step, i, err)
				}
			}
		}
	}
	p.print("\n" + output.Bold.Sprint(output.Fill("== "+ch.Title+" ==",
		p.width)) + "\n\n")
	p.prose("Terminal 1 stays on this machine, the host. In terminal 2 the steps are " +
		"started." +
		map[bool]string{true: " Enter or the space bar goes on, q ends."}[p.wait])
	for i, section := range ch.Sections {
		if i >= start && (i == 0 || len(steps(section)) > 0) {
			if err := p.section(ctx, s, ch, section, i == 0); err != nil {
				return err
			}
		}
	}
	p.print("\n")
	p.prose("That was it. Nothing of it is left on this machine.")
	return p.err
}

func (p *player) section(ctx context.Context, s *session.Session, ch *page.Chapter,
	section *page.Section, title bool,
) error {
	if !title {
		p.print("\n" + output.Bold.Sprint(output.Fill(section.Title, p.width)) + "\n")
	}
	shown := -1 // the last part
	for i, part := range section.Parts {
		switch {
		case part.Step == nil && shown < 0:
			p.print("\n")
			p.prose(part.Prose)
			shown = i
		case part.Step != nil && !part.Step.Folded:
			if i > 0 && shown < i-1 && section.Parts[i-1].Step == nil {
				p.print("\n")
				p.prose(section.Parts[i-1].Prose)
			}
			shown = i
			if err := p.step(ctx, s, ch, part.Step); err != nil {
				return err
			}
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func (p *player) step(ctx context.Context, s *session.Session, ch *page.Chapter,
	step *page.Step,
) error {
	colour, prompt := colours[step.Terminal], step.Prompt+" "
	if step.Kind != page.Commands {
		prompt = string(step.Kind) + "> "
	}
	p.print("\n" + colour.Sprint(step.Terminal) + "\n")
	for i, line := range step.Lines {
		if i > 0 && s.More() { // of a here-document, which is one command
			p.print(colour.Sprint("> "))
		} else {
			p.print(colour.Sprint(prompt))
			if err := p.key(ctx); err != nil {
				return err
			}
		}
		if err := p.typed(ctx, line); err != nil {
			return err
		}
		printed, err := s.Line(step, i)
		p.output(printed)
		if err != nil {
			return stop(ctx, s, ch, step, i, err)
		}
	}
	return p.err
}

// output prints what a command has printed.
func (p *player) output(text string) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	p.print(text)
}

// stop returns the error of a line after which no other may be typed.
func stop(ctx context.Context, s *session.Session, ch *page.Chapter,
	step *page.Step, i int,
	err error,
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var fs unix.Statfs_t
	at := fmt.Sprintf("%s:%d", ch.File, step.At+i)
	failed := &failure{chapter: ch.Name, at: at, line: step.Lines[i], err: err}
	if unix.Statfs(s.Dir(), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		failed.noexec = s.Dir()
	}
	return &advice.Error{Err: failed, Advice: failed.advice()}
}

// A failure is a line that didn't do what its chapter says.
type failure struct {
	chapter, at, line string
	err               error
	// the session's directory, if no program can be executed there
	noexec string
}

func (f *failure) Error() string {
	return fmt.Sprintf("play %s stopped at %s, %s: %s",
		f.chapter, f.at, cmdline.Quote(f.line), f.err)
}

func (f *failure) Unwrap() error { return f.err }

// advice says how to go on.
func (f *failure) advice() string {
	me := advice.Me()
	again, doctor := me.Call("workshop", "play "+f.chapter), me.Call("workshop", "doctor")
	var ended *session.Ended
	switch {
	case f.noexec != "":
		return fmt.Sprintf("%s is on a file system that executes no programs (noexec); "+
			"choose another: TMPDIR=DIRECTORY %s", f.noexec, again)
	case errors.As(f.err, &ended) && ended.Status == 127:
		return "a program is missing; to see which, and its package: " + doctor
	case errors.As(f.err, &ended):
		return "fix what it printed above, then: " + again
	}
	return "to see what can't run on this machine: " + doctor
}

func (p *player) typed(ctx context.Context, line string) error {
	if p.stroke == 0 {
		p.print(output.Bold.Sprint(line) + "\n")
		return p.err
	}
	for _, r := range line {
		p.print(output.Bold.Sprint(string(r)))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(p.stroke):
		}
	}
	p.print("\n")
	return p.err
}

// key waits for a key that goes on. The terminal gives single keys meanwhile, and shows
// none; Ctrl-C and Ctrl-Z stay what they are.
func (p *player) key(ctx context.Context) error {
	if p.err != nil || !p.wait {
		return p.err
	}
	before, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("the terminal's settings: %w", err)
	}
	single := *before
	single.Lflag &^= unix.ICANON | unix.ECHO
	single.Cc[unix.VMIN], single.Cc[unix.VTIME] = 1, 0
	continued := make(chan os.Signal, 1) // after Ctrl-Z the shell has set what it likes
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	setTerminal(&single)
	defer setTerminal(before)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-continued:
			setTerminal(&single)
		default:
		}
		ready := []unix.PollFd{{Fd: 0, Events: unix.POLLIN}}
		if n, err := unix.Poll(ready, 50); n == 0 || err == unix.EINTR {
			continue
		}
		b := make([]byte, 1)
		switch n, err := unix.Read(0, b); {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil || n == 0 || b[0] == 'q':
			return errQuit
		case b[0] == '\n' || b[0] == '\r' || b[0] == ' ':
			return nil
		}
	}
}

// setTerminal sets the terminal's settings. In the background, after Ctrl-Z, they are the
// business of the shell there.
func setTerminal(to *unix.Termios) {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err == nil && group != unix.Getpgrp() {
		return
	}
	defer linux.BlockTTOU()() // the shell may take the terminal right now
	_ = unix.IoctlSetTermios(0, unix.TCSETSW, to)
}
