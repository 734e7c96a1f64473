//go:build linux

package steptest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// What a person types with the control key.
const (
	CtrlC         = "\x03"
	CtrlD         = "\x04"
	CtrlZ         = "\x1a"
	CtrlBackslash = "\x1c"
)

// Deadline is how long a condition may take to come true, on a busy machine too.
const Deadline = 2 * time.Minute

// WaitFor waits until a condition is true, and fails the test if it isn't in time.
func WaitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for begin := time.Now(); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > Deadline {
			t.Fatalf("not true after %v: %s", Deadline, what)
		}
	}
}

// An output can be read while the program writes it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// A Terminal is a pseudo-terminal with a program in it, as a person has one.
type Terminal struct {
	t      testing.TB
	file   *os.File // the person's side
	cmd    *exec.Cmd
	output *output
	ended  chan struct{} // closed after the last output
	seen   int           // of the output, by Expect
	prompt string
}

// OpenTerminal starts a program in a new session on a new pseudo-terminal of 200 columns.
// The end of the test hangs up, and kills the program.
func OpenTerminal(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	return OpenColumns(t, 200, cmd)
}

// OpenColumns is OpenTerminal with another number of columns.
func OpenColumns(t testing.TB, columns int, cmd *exec.Cmd) *Terminal {
	t.Helper()
	return OpenSize(t, columns, 24, cmd)
}

// OpenSize is OpenTerminal with another number of columns and rows.
func OpenSize(t testing.TB, columns int, rows uint16, cmd *exec.Cmd) *Terminal {
	t.Helper()
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: uint16(columns)})
	if err != nil {
		t.Fatal(err)
	}
	tt := &Terminal{
		t: t, file: file, cmd: cmd, output: &output{},
		ended: make(chan struct{}),
	}
	go func() {
		defer close(tt.ended)
		b := make([]byte, 4096)
		for {
			n, err := file.Read(b)
			_, _ = tt.output.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(tt.Close)
	return tt
}

// OpenShell starts an interactive bash, with the prompt "host> ". It skips the test
// where there is no bash.
func OpenShell(t testing.TB) *Terminal {
	t.Helper()
	NeedsHost(t)
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: needs bash, for its job control")
	}
	cmd := exec.Command(shell, "--norc", "--noprofile", "--noediting", "-i")
	cmd.Env = append(os.Environ(), "PS1=host> ", "TERM=dumb", "HISTFILE=")
	tt := OpenTerminal(t, cmd)
	tt.prompt = "host> $"
	tt.Expect(tt.prompt)
	return tt
}

// Close kills the program; the kernel hangs up on the rest of the session.
func (tt *Terminal) Close() {
	_ = tt.cmd.Process.Kill()
	_ = tt.cmd.Wait()
	tt.file.Close()
}

// HangUp takes the terminal away, as when a person closes its window.
func (tt *Terminal) HangUp() { tt.file.Close() }

// Type types.
func (tt *Terminal) Type(text string) {
	tt.t.Helper()
	if _, err := tt.file.WriteString(text); err != nil {
		tt.t.Fatal(err)
	}
}

// Output returns what has come since the last Expect.
func (tt *Terminal) Output() string { return tt.All()[tt.seen:] }

// All returns all that has come, without carriage returns.
func (tt *Terminal) All() string { return strings.ReplaceAll(tt.Raw(), "\r", "") }

// Raw returns all that has come.
func (tt *Terminal) Raw() string { return tt.output.String() }

// Wait waits until the program has ended and nobody can write to the terminal any more,
// and returns the program's exit status.
func (tt *Terminal) Wait() int {
	tt.t.Helper()
	select {
	case <-tt.ended:
	case <-time.After(Deadline):
		tt.t.Fatalf("no end after %v: %q", Deadline, tt.Raw())
	}
	_ = tt.cmd.Wait()
	return tt.cmd.ProcessState.ExitCode()
}

// Settings returns the settings of the terminal (see termios(3)).
func (tt *Terminal) Settings() unix.Termios {
	tt.t.Helper()
	var settings *unix.Termios
	// Fd would take the file from the poller, and the goroutine above out of reach of
	// Close.
	conn, err := tt.file.SyscallConn()
	if err == nil {
		err2 := conn.Control(func(fd uintptr) {
			settings, err = unix.IoctlGetTermios(int(fd), unix.TCGETS)
		})
		err = errors.Join(err, err2)
	}
	if err != nil {
		tt.t.Fatal(err)
	}
	return *settings
}

// Before returns the settings that the terminal had before its program was started: those
// of any new terminal. The program may have changed them before a test can look.
func (tt *Terminal) Before() unix.Termios {
	tt.t.Helper()
	return OpenTerminal(tt.t, exec.Command("true")).Settings()
}

// Expect waits for output that matches, after what has been expected before, and
// returns everything up to its end.
func (tt *Terminal) Expect(pattern string) string {
	tt.t.Helper()
	re := regexp.MustCompile(pattern)
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		text := tt.Output()
		if at := re.FindStringIndex(text); at != nil {
			tt.seen += at[1]
			return text[:at[1]]
		}
		if time.Since(begin) > Deadline {
			tt.t.Fatalf("no %q in %q", pattern, text)
		}
	}
}

// Run types a command line of the shell, waits until it has ended, and returns its
// output, with the next prompt.
func (tt *Terminal) Run(line string) string {
	tt.t.Helper()
	tt.Type(line + "\n")
	tt.Expect(regexp.QuoteMeta(line) + "\n")
	return tt.Expect(tt.prompt)
}

// AssertStatus checks the exit status of the shell's last command.
func (tt *Terminal) AssertStatus(want string) {
	tt.t.Helper()
	if got := tt.Run("echo status $?"); got != "status "+want+"\nhost> " {
		tt.t.Errorf("%q, not status %s", got, want)
	}
}

// A Process is a process as /proc shows it.
type Process struct {
	PID, PPID, Group, Foreground int
	State                        string // R, S, T and others: proc_pid_stat(5)
	Ticks                        int    // of processor time
	Name, Args                   string
}

// Processes returns the processes that have the arguments, in one string. A test gives
// its command arguments that no other test uses, because tests of other packages run at
// the same time.
func Processes(args string) (found []Process) {
	for _, pid := range list("/proc") {
		if p := ReadProcess(pid); p.Args == args {
			found = append(found, p)
		}
	}
	return found
}

// ReadProcess reads about a process; what has ended has no state.
func ReadProcess(pid string) (p Process) {
	line, err1 := os.ReadFile("/proc/" + pid + "/cmdline")
	stat, err2 := os.ReadFile("/proc/" + pid + "/stat")
	name, rest, ok := strings.Cut(string(stat), "(")
	end := strings.LastIndexByte(rest, ')')
	if err1 != nil || err2 != nil || !ok || end < 0 {
		return Process{}
	}
	f := strings.Fields(rest[end+1:])
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	return Process{
		PID: number(strings.TrimSpace(name)), Name: rest[:end], State: f[0],
		PPID: number(f[1]), Group: number(f[2]), Foreground: number(f[5]),
		Ticks: number(f[11]) + number(f[12]),
		Args:  strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " ")),
	}
}

// WaitForProcess waits for a process that has exactly these arguments, and one of the
// states, "" for any. A program that starts another has its arguments as soon as the
// other's signal handlers are gone.
func WaitForProcess(t testing.TB, args, states string) (found Process) {
	t.Helper()
	WaitFor(t, "a process "+args+" in a state of "+states, func() bool {
		for _, p := range Processes(args) {
			if states == "" || strings.Contains(states, p.State) {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// Soak returns a count, times 20 if NSTEPS_SOAK is set: for make soak.
func Soak(count int) int {
	if os.Getenv("NSTEPS_SOAK") != "" {
		return 20 * count
	}
	return count
}
