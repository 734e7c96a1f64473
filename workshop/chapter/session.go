//go:build linux

package chapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Columns and Rows are the size of the terminals.
const (
	Columns = 100
	Rows    = 30
)

// quiet is how long a program that is to be answered may print nothing before it is
// taken to wait for the answer, if what it printed isn't what the page shows.
const quiet = 3 * time.Second

// A Session is two terminals, with a shell in each. Its methods are not for several
// goroutines at once.
type Session struct {
	Timeout time.Duration // of a command; Start sets 30 s

	ctx       context.Context
	dir       string
	lock      *os.File
	before    []int // this process's children that aren't the session's
	terminals map[string]*terminal
	comparer  Comparer
	output    string // of the lines of the last step so far
	last      *terminal
	more      bool // the shell waits for more of a command
}

// More reports whether the last line left the shell waiting for more of the same command.
func (s *Session) More() bool { return s.more }

// DirPattern is what directories of sessions are called below os.TempDir.
const DirPattern = "nsteps-chapter-*"

// Lock locks the directory of a session: the error is EWOULDBLOCK if a session is going
// on in it. Closing the file ends it.
func Lock(dir string) (*os.File, error) {
	file, err := os.OpenFile(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return file, nil
}

// Start opens two terminals in a new, empty directory, with a directory of programs
// first in PATH. When the context ends, so does whatever is running; Close has to be
// called all the same.
//
// With own, the terminals get MNT, UTS and IPC namespaces of their own, so that what
// commands on the host leave there, mounts and message queues, ends with the session.
func Start(ctx context.Context, bin string, own bool) (*Session, error) {
	s := &Session{Timeout: 30 * time.Second, ctx: ctx, terminals: map[string]*terminal{}, before: children()}
	// What loses its parent becomes this process's child, for Close to find.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("prctl PR_SET_CHILD_SUBREAPER: %w", err)
	}
	var err error
	if s.dir, err = os.MkdirTemp("", DirPattern); err != nil {
		return nil, err
	}
	// Held until the end, by whatever signal, it tells workshop cleanup that the directory
	// is in use.
	if s.lock, err = Lock(s.dir); err != nil {
		return nil, errors.Join(err, os.Remove(s.dir))
	}
	open := func() error { return s.open(bin) }
	if own {
		open = func() error {
			return onThread(func() error {
				if err := unshare(); err != nil {
					return err
				}
				return s.open(bin)
			})
		}
	}
	if err := open(); err != nil {
		s.Close()
		return nil, err
	}
	for _, name := range []string{Host, Inside} {
		if _, err := s.terminals[name].wait(ctx, s.Timeout, atPrompt); err != nil {
			s.Close()
			return nil, fmt.Errorf("bash gives no prompt: %w", err)
		}
		s.terminals[name].take()
	}
	return s, nil
}

// onThread calls a function on a thread that ends with it, and with the thread the
// namespaces that it has entered. The main thread would not end: it is /proc/self.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good, so that the thread isn't used again
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		err := onThread(f) // which gets another one, since this is locked
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// unshare gives this thread namespaces of its own. Mounts come in from the host, and
// don't go out; among each other they are shared, as systemd has them.
func unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC); err != nil {
		return fmt.Errorf("unshare CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC: %w", err)
	}
	for _, propagation := range []uintptr{unix.MS_SLAVE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|propagation, ""); err != nil {
			return fmt.Errorf("mount propagation of /: %w", err)
		}
	}
	return nil
}

func (s *Session) open(bin string) error {
	sign := "$"
	if os.Getuid() == 0 {
		sign = "#"
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "LC_ALL=C", "TERM=dumb",
		"COLUMNS=" + strconv.Itoa(Columns), "PS1=host" + sign + " ", "HISTFILE="}
	for _, name := range []string{"HOME", "TMPDIR", "GOCACHE", "GOMODCACHE", "GOPATH", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, name := range []string{Host, Inside} {
		cmd := exec.Command("bash", "--norc", "--noprofile", "--noediting", "-i")
		cmd.Dir, cmd.Env = s.dir, env
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
	for range 500 {
		left := false
		below := families()
		for _, pid := range below[os.Getpid()] {
			if !slices.Contains(s.before, pid) {
				left = true
				kill(pid, below)
				// Not of any child: others in this process wait for theirs.
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
		if !left {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, t := range s.terminals {
		t.file.Close()
	}
	s.terminals = nil
	err := os.RemoveAll(s.dir)
	s.lock.Close()
	return err
}

// kill kills a process and its descendants.
func kill(pid int, below map[int][]int) {
	_ = unix.Kill(pid, unix.SIGKILL)
	for _, child := range below[pid] {
		kill(child, below)
	}
}

func children() []int { return families()[os.Getpid()] }

// families returns the children of each process that has any, those that have ended and
// haven't been waited for too.
func families() map[int][]int {
	below := map[int][]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, _ := os.ReadFile(file)
		// PID (command) state PPID: the command may hold anything, proc_pid_stat(5).
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 {
			continue // it is gone
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		below[parent] = append(below[parent], pid)
	}
	return below
}

// An Error is a step that isn't as its page shows it.
type Error struct {
	File    string
	Line    int
	Typed   string // the line of the page
	Problem string // several lines
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d: %s\n%s", e.File, e.Line, e.Typed, strings.TrimSuffix(e.Problem, "\n"))
}

// Check executes all steps of a chapter and compares their outputs. Its error is an
// Error where the page isn't true.
func (s *Session) Check(c *Chapter) error {
	for _, step := range c.Steps() {
		for i := range step.Lines {
			if _, err := s.Line(step, i); err != nil {
				if s.ctx.Err() != nil {
					return err
				}
				return &Error{c.File, step.At + i, step.Lines[i], err.Error()}
			}
		}
		if problem := s.comparer.Compare(step.Output, s.output, step.Vary); problem != "" {
			return &Error{c.File, step.At, strings.Join(step.Lines, "\n"), problem}
		}
	}
	return nil
}

// Line types a line of a step, and returns what is printed until the shell is ready for
// the next one; or, if a later step answers, until what the page shows has been printed.
// The lines of a step are for Line in their order.
func (s *Session) Line(step *Step, i int) (string, error) {
	t := s.terminals[step.Terminal]
	if i == 0 {
		s.output = ""
	}
	// What came since the last step in this terminal, when a program there was killed
	// from the other one, say, belongs to the output.
	if s.last != t || t.open {
		t.settle(s.ctx, 100*time.Millisecond)
	}
	s.last = t
	before := prompt.ReplaceAllString(t.take(), "")

	line := step.Lines[i]
	typed, echo := line+"\n", line+"\n"
	if step.Kind == Key {
		typed = keys[line]
		echo = "^" + string(typed[0]|0x40)
		if line == "Ctrl-D" {
			echo = "" // it isn't echoed: termios(3), ECHOCTL
		}
	}
	if _, err := t.file.WriteString(typed); err != nil {
		return "", err
	}
	output := func(text string) string { return before + strings.TrimPrefix(text, echo) }
	s.more = false
	done := func(text string) bool { return len(text) >= len(echo) && atPrompt(strings.TrimPrefix(text, echo)) }
	limit := s.Timeout
	open := step.Open && i == len(step.Lines)-1
	t.open = open
	if open {
		limit = 0 // until quiet
		done = func(text string) bool {
			trial := Comparer{}
			return len(text) >= len(echo) && trial.Compare(step.Output, s.output+output(text), step.Vary) == ""
		}
	}
	text, err := t.wait(s.ctx, limit, done)
	out := output(text)
	if !open {
		s.more = strings.HasSuffix(text, echo+"> ")
		t.notePrompt(s.ctx, s.Timeout, text)
		out = prompt.ReplaceAllString(strings.TrimSuffix(out, "> "), "")
	}
	t.take()
	s.output += out
	if err != nil {
		return out, fmt.Errorf("%w; it has printed:\n%s", err, s.output)
	}
	return out, nil
}

// prompt is that of the shells on the host and in a step; it ends what a command prints.
var prompt = regexp.MustCompile(`(?:host|step[0-9]+-[a-z]+)[#$] $`)

// atPrompt reports whether a shell waits for a line, or for more of one.
func atPrompt(text string) bool {
	return prompt.MatchString(text) || text == "> "
}

// A terminal is a pseudo-terminal's controlling side.
type terminal struct {
	file    *os.File
	changed chan struct{} // that there is more to read
	prompt  string        // the last one
	open    bool          // a program may be running that wasn't waited for

	mu     sync.Mutex
	buffer []byte
	ended  bool
}

func (t *terminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := t.file.Read(b)
		t.mu.Lock()
		t.buffer = append(t.buffer, b[:n]...)
		t.ended = err != nil
		t.mu.Unlock()
		select {
		case t.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// text returns what has been printed since take.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(string(t.buffer), "\r\n", "\n")
}

// take returns text, and forgets it.
func (t *terminal) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ReplaceAll(string(t.buffer), "\r\n", "\n")
	t.buffer = nil
	return text
}

// settle returns when nothing has been printed for a time.
func (t *terminal) settle(ctx context.Context, still time.Duration) {
	for {
		select {
		case <-t.changed:
		case <-ctx.Done():
			return
		case <-time.After(still):
			return
		}
	}
}

// wait waits until done holds for what is printed and returns that. With no limit of
// time it also ends, without an error, when nothing more comes.
func (t *terminal) wait(ctx context.Context, limit time.Duration, done func(string) bool) (string, error) {
	var timeout, pause <-chan time.Time // nil is never
	if limit > 0 {
		timeout = time.After(limit)
	}
	for {
		if limit == 0 {
			pause = time.After(quiet)
		}
		text := t.text()
		if done(text) {
			t.settle(ctx, 10*time.Millisecond) // what looks like a prompt may be half a line
			if again := t.text(); again == text {
				return text, nil
			}
			continue
		}
		t.mu.Lock()
		ended := t.ended
		t.mu.Unlock()
		if ended {
			return text, errors.New("the shell on the host has ended")
		}
		select {
		case <-t.changed:
		case <-ctx.Done():
			return text, context.Cause(ctx)
		case <-timeout:
			return text, fmt.Errorf("it takes longer than %s", limit)
		case <-pause:
			return text, nil
		}
	}
}

// notePrompt keeps a shell that has just been started in a step from writing what is
// typed into the person's ~/.bash_history.
func (t *terminal) notePrompt(ctx context.Context, limit time.Duration, text string) {
	now := prompt.FindString(text)
	if now == "" || now == t.prompt {
		return
	}
	t.prompt = now
	if strings.HasPrefix(now, "step") {
		t.take()
		_, _ = t.file.WriteString("unset HISTFILE\n")
		_, _ = t.wait(ctx, limit, func(text string) bool {
			rest, ok := strings.CutPrefix(text, "unset HISTFILE\n")
			return ok && atPrompt(rest)
		})
	}
}
