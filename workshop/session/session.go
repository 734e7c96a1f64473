//go:build linux

// Package session executes chapters, which package page has parsed, in two terminals with
// a shell in each. The outputs are compared with what the page shows.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/creack/pty"

	"nsteps/workshop/page"
)

// Columns and Rows are the size of the terminals.
const (
	Columns = 100
	Rows    = 30
)

// A Session is two terminals, with a shell in each. Its methods are not for several
// goroutines at once.
type Session struct {
	Timeout time.Duration // of a command; Start sets 2 minutes

	// quiet is how long a program that is to be answered may print nothing before it is
	// taken to wait for the answer, if what it printed isn't what the page shows.
	quiet time.Duration

	ctx       context.Context
	room      *Room
	terminals map[page.Terminal]*terminal
	comparer  Comparer
	output    string // of the lines of the last step so far
	prompts   prompts
	more      bool // the shell waits for more of a command
	status    int  // of the last command, if the shell has the prompt
}

// More reports whether the last line left the shell waiting for more of the same command.
func (s *Session) More() bool { return s.more }

// Dir is the directory in which the terminals start.
func (s *Session) Dir() string { return s.room.Dir }

// Start opens two terminals in a new, empty directory, with a directory of programs
// first in PATH. When the context ends, so does whatever is running; Close has to be
// called all the same.
//
// With own, the terminals get MNT, UTS and IPC namespaces and a /dev/shm of their own, so
// that what commands on the host leave there (mounts, message queues, shared memory) ends
// with the session.
func Start(ctx context.Context, bin string, own bool) (*Session, error) {
	s := &Session{
		Timeout: 2 * time.Minute, quiet: 10 * time.Second, ctx: ctx,
		terminals: map[page.Terminal]*terminal{}, prompts: newPrompts(),
	}
	var err error
	if s.room, err = NewRoom(); err != nil {
		return nil, err
	}
	open := func() error { return s.open(bin) }
	if own {
		open = func() error { return Host(func() error { return s.open(bin) }) }
	}
	if err := open(); err != nil {
		s.Close()
		return nil, err
	}
	for _, name := range page.Terminals {
		t := s.terminals[name]
		_, err := t.wait(ctx, s.Timeout, func(text string) bool {
			return started(text, page.HostPrompt)
		})
		if err == nil {
			t.take()
			err = s.join(t)
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("bash gives no prompt: %w", err)
		}
	}
	return s, nil
}

// Path is the PATH of a terminal, with a directory of programs first. A plain user of
// Debian doesn't have /usr/sbin in it.
func Path(bin string) string {
	return bin + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin"
}

// Missing returns the commands that aren't in the PATH of a terminal.
func Missing(commands []string) (missing []string) {
	for _, name := range commands {
		found := slices.ContainsFunc(filepath.SplitList(Path("")), func(dir string) bool {
			_, err := exec.LookPath(filepath.Join("/", dir, name))
			return dir != "" && err == nil
		})
		if !found {
			missing = append(missing, name)
		}
	}
	return missing
}

func (s *Session) open(bin string) error {
	env := []string{
		"PATH=" + Path(bin), "LC_ALL=C",
		"TERM=dumb", "COLUMNS=" + strconv.Itoa(Columns), "HISTFILE=",
		"PS1=" + page.HostPrompt + " ",
	}
	for _, name := range []string{
		"HOME", "TMPDIR", "GOCACHE", "GOMODCACHE", "GOPATH", "GOCOVERDIR",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, name := range page.Terminals {
		cmd := exec.Command("bash", "--norc", "--noprofile", "--noediting", "-i")
		cmd.Dir, cmd.Env = s.room.Dir, env
		file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: Rows, Cols: Columns})
		if err != nil {
			return fmt.Errorf("a terminal with bash in it: %w", err)
		}
		t := &terminal{file: file, changed: make(chan struct{}, 1)}
		s.terminals[name] = t
		go t.read()
	}
	return nil
}

// Close kills all that runs in the terminals, in whatever namespaces and sessions, and
// removes the directory. It may be called again.
func (s *Session) Close() error {
	s.room.kill()
	for _, t := range s.terminals {
		t.file.Close()
	}
	s.terminals = nil
	return s.room.Close()
}

// An Error is a step that isn't as its page shows it.
type Error struct {
	File    string
	Line    int
	Typed   string // the line of the page
	Problem string // several lines
}

func (e *Error) Error() string {
	problem := strings.TrimSuffix(e.Problem, "\n")
	return fmt.Sprintf("%s:%d: %s\n%s", e.File, e.Line, e.Typed, problem)
}

// An Ended is a command that ended with a status that its page doesn't announce.
type Ended struct{ Status int }

func (e *Ended) Error() string { return fmt.Sprintf("it ended with status %d", e.Status) }

// Check executes all steps of a chapter and compares their outputs. Its error is an
// Error where the page isn't true.
func (s *Session) Check(c *page.Chapter) error {
	for _, step := range c.Steps() {
		for i := range step.Lines {
			_, err := s.Line(step, i)
			if s.ctx.Err() != nil {
				return err
			}
			if err == nil && slices.Contains(step.Fails, i+1) && s.status == 0 {
				err = errors.New(
					"it ended with status 0, and the page says that it fails")
			}
			if err != nil {
				problem := err.Error()
				if s.output != "" {
					problem += "; it has printed:\n" + s.output
				}
				return &Error{c.File, step.At + i, step.Lines[i], problem}
			}
		}
		if problem := s.comparer.Compare(step.Output, s.output,
			step.Vary); problem != "" {
			return &Error{c.File, step.At, strings.Join(step.Lines, "\n"), problem}
		}
	}
	return nil
}

// Line types a line of a step, and returns what is printed until the shell is ready for
// the next one; or, if a later step answers, until what the page shows has been printed.
// The lines of a step are for Line in their order.
//
// The line is typed only if the shell or program that it is meant for has the terminal.
// A command that fails is an Ended, unless the page says that it fails.
func (s *Session) Line(step *page.Step, i int) (string, error) {
	t := s.terminals[step.Terminal]
	if i == 0 {
		s.output = ""
	}
	// When a program in this terminal was killed from the other one, its shell has
	// printed something since: that belongs to the output.
	before, err := s.ready(t, step, i)
	if err == nil {
		var text string
		text, err = s.answer(t, step, i)
		before += text
	}
	s.output += before
	return before, err
}

// ready waits until the terminal belongs to the shell or to the program that a line is
// meant for, and returns what is printed meanwhile. Its error says where the terminal is.
func (s *Session) ready(t *terminal, step *page.Step, i int) (string, error) {
	if step.Kind != page.Commands {
		return "", s.running(t)
	}
	var out string
	if t.open || step.Depth < len(t.shells) {
		text, err := t.wait(s.ctx, s.Timeout, s.prompts.ready)
		t.prompt = s.prompts.shown(text)
		if out = s.prompts.cut(text); err != nil {
			return out, fmt.Errorf("not typed, because the shell has no prompt: %w", err)
		}
		t.take()
		t.settled()
	}
	if is, meant := len(t.shells), step.Depth; is != meant {
		return out, fmt.Errorf("not typed, because it is meant for shell %d of %s, "+
			"and shell %d has the prompt", meant, step.Terminal, is)
	}
	if !t.atShell() && !s.more {
		return out, fmt.Errorf("not typed, because a program has taken %s from its shell",
			step.Terminal)
	}
	if i == 0 && t.prompt != step.Prompt {
		return out, fmt.Errorf("not typed, because it is meant for the prompt %s, "+
			"and the prompt is %s", step.Prompt, t.prompt)
	}
	return out, nil
}

// running waits until a program has the terminal instead of a shell, or until a builtin
// command of the shell has asked for a line.
func (s *Session) running(t *terminal) error {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		switch status := s.prompts.status(t.text()); {
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case status >= 0:
			return fmt.Errorf(
				"not typed, because the program that it is meant for has ended: %w",
				&Ended{status})
		case t.waits():
			return nil
		case time.Since(began) > s.Timeout:
			return fmt.Errorf("not typed, because the program that it is meant for "+
				"hasn't started within %s", s.Timeout)
		}
	}
}

// answer types a line and waits for what comes.
func (s *Session) answer(t *terminal, step *page.Step, i int) (string, error) {
	line := step.Lines[i]
	typed, echo := line+"\n", line+"\n"
	if step.Kind == page.Key {
		typed = page.Keys[line]
		echo = "^" + string(typed[0]|0x40)
		if line == "Ctrl-D" {
			echo = "" // it isn't echoed: termios(3), ECHOCTL
		}
	}
	t.open = step.Open && i == len(step.Lines)-1
	if step.Kind == page.Commands {
		t.opening = ""
		if i == len(step.Lines)-1 {
			t.opening = step.Opens
		}
	}
	s.more, s.status = false, 0
	before := t.take()
	// The program can still end between this look and the write, and the shell would get
	// the line. Nothing closes this gap: a terminal takes input for no certain program.
	if step.Kind != page.Commands && !t.waits() {
		return before, errors.New(
			"not typed, because the program that it is meant for has ended")
	}
	if _, err := t.file.WriteString(typed); err != nil {
		return before, err
	}
	var quiet time.Duration
	if t.open {
		quiet = s.quiet
	}
	text, err := t.waitQuiet(s.ctx, s.Timeout, quiet, func(text string) bool {
		rest, ok := strings.CutPrefix(text, echo)
		trial := Comparer{}
		switch {
		case !ok:
			return false
		case s.prompts.ready(rest), t.opened(rest):
			return true
		}
		return t.open && trial.Compare(step.Output, s.output+before+rest, step.Vary) == ""
	})
	t.take()
	out := before + strings.TrimPrefix(text, echo)
	if err != nil {
		return out, err
	}
	printed := s.prompts.cut(out)
	if t.opened(out) {
		printed = strings.TrimSuffix(out, t.opening+" ")
	}
	return printed, s.judge(t, step, i, out)
}

// judge looks where a line has left the terminal, given what it has printed.
func (s *Session) judge(t *terminal, step *page.Step, i int, out string) error {
	s.more = s.prompts.more(out)
	s.status = max(0, s.prompts.status(out))
	switch {
	case t.open && s.prompts.ready(out):
		t.open = false
		return fmt.Errorf("the program that has to read the next line has ended: %w",
			&Ended{s.status})
	case t.open:
		t.asked = strings.TrimSpace(out) != "" && t.atShell()
		return nil
	case s.more:
		return nil
	case t.opened(out):
		t.opening = ""
		if err := s.join(t); err != nil {
			return err
		}
	default:
		t.prompt = s.prompts.shown(out)
	}
	t.settled()
	if s.status != 0 && !step.MayFail(i) {
		return &Ended{s.status}
	}
	return nil
}

// join makes a shell that has just been started, and that waits for a line, print before
// each prompt what the session waits for. It keeps the shell from writing what is typed
// into the person's ~/.bash_history. Programs of the shell don't see the variables.
func (s *Session) join(t *terminal) error {
	t.shells = append(t.shells, t.foreground())
	line := s.prompts.setup() + "; unset HISTFILE\n"
	if _, err := t.file.WriteString(line); err != nil {
		return err
	}
	text, err := t.wait(s.ctx, s.Timeout, func(text string) bool {
		rest, ok := strings.CutPrefix(text, line)
		return ok && s.prompts.ready(rest)
	})
	t.take()
	t.prompt = s.prompts.shown(text)
	return err
}
