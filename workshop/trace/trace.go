//go:build linux

// Package trace is the command workshop trace: it runs a command under strace(1), and
// shows the system calls that create, change and enter namespaces.
package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/job"
	"nsteps/internal/linux"
	"nsteps/workshop/advice"
	"nsteps/workshop/doctor"
)

// Name is the name of the command. Its last operands are another command line.
const Name = "trace"

const description = `It needs strace(1). A line names the process, its PID, the call and
its arguments. The lines of a child are indented. Threads count as their process. A call
that failed ends with its errno. All other calls are left out.

A traced command is slower. Unless root traces it, a setuid program such as newuidmap or
sudo has no privileges. trace ends when the command and all its children have ended. If
SIGKILL ends trace, it ends the command too, but not the children of the command.

Exit status: that of the command, 128+n if signal n killed it, 125 if strace can't trace
it, 126 if the command can't be executed, 127 if it doesn't exist.`

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        Name,
		Usage:       "run a command, and show its calls for namespaces",
		UsageText:   "[options] cmd [arg...]",
		Description: description,
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "o", Aliases: []string{"output"},
				Usage: "write the lines to `file`, not to standard error",
			},
			&cli.BoolFlag{Name: beginning, Hidden: true},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	args := c.Args().Slice()
	if c.Bool(beginning) {
		return begin(args)
	}
	if len(args) == 0 {
		return cmdline.Usagef("name a command, for example step1-pid -p true")
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return noCommand(args[0], err)
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		return failed(cmdline.StatusFailed, errors.New("strace(1) is missing"),
			doctor.Installing("strace"))
	}
	out := io.Writer(os.Stderr)
	if name := c.String("output"); c.IsSet("output") {
		file, err := os.Create(name)
		if err != nil {
			return failed(cmdline.StatusFailed, err, "")
		}
		defer file.Close()
		out = file
	}
	t := newTracker(out)
	if err := t.trace(strace, args); err != nil {
		return err
	}
	if t.err != nil {
		return failed(cmdline.StatusFailed, t.err, "")
	}
	return nil
}

// failed reports an error, and returns the exit status.
func failed(status int, err error, fix string) error {
	cmdline.Report(os.Stderr, "workshop", err, fix)
	return cmdline.Status(status)
}

// noCommand reports a command that can't be executed, or isn't there.
func noCommand(name string, err error) error {
	status, why := cmdline.NotExecutable, errors.Unwrap(err)
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		status, why = cmdline.NotFound, unix.ENOENT
	case errors.Is(err, fs.ErrPermission):
		why = unix.EACCES
	}
	fix := ""
	program := advice.Me().Program + name
	if info, err := os.Stat(program); err == nil && info.Mode().IsRegular() {
		fix = "give its path: " + advice.Me().Call("workshop", Name) + " " +
			cmdline.Quote(program)
	}
	return failed(status, fmt.Errorf("exec %s: %w", cmdline.Quote(name), why), fix)
}

// trace runs a command under strace, and writes the lines. The error is a cmdline.Status.
func (t *tracker) trace(strace string, args []string) error {
	// PDEATHSIG comes when the thread that cloned ends, not the process: prctl(2).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// os.Pipe would need more descriptors, and the Go runtime ends a program without them.
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		err = linux.Failed("pipe2", "from strace", err)
		return failed(cmdline.StatusFailed, err, limits(err))
	}
	r, w := os.NewFile(uintptr(ends[0]), "strace"), os.NewFile(uintptr(ends[1]), "strace")
	defer r.Close()
	cmd := exec.Command(strace, arguments(w, args)...)
	cmd.Args[0] = "strace"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	began := make(chan int, 1) // gets a pidfd of the command
	defer catch(began, cmd)()
	if err := cmd.Start(); err != nil {
		w.Close()
		return failed(cmdline.StatusFailed, err, limits(err))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.read(r, began)
	}()
	err := cmd.Wait() // strace has written all
	w.Close()
	<-done
	var exit *exec.ExitError
	switch {
	case t.first == nil:
		return failed(cmdline.StatusFailed, errors.New("strace can't trace the command"),
			why(gather(strace)))
	case t.refused != "": // strace has printed why
		return cmdline.Status(cmdline.NotExecutable)
	case errors.As(err, &exit):
		return cmdline.Status(status(exit.Sys().(syscall.WaitStatus)))
	case err != nil:
		return failed(cmdline.StatusFailed, err, "")
	}
	return nil
}

// arguments are those of strace, which starts this program for the command. It opens the
// pipe by its name in /proc, and closes that descriptor for the command, which an
// inherited one would not be.
func arguments(pipe *os.File, args []string) []string {
	self, err := os.Readlink("/proc/self") // may be a /proc of another PID namespace
	if err != nil {
		self = "self"
	}
	return append([]string{
		"-f", "-q", // all children; no message on each of them
		"-I4",                                 // Ctrl-C and Ctrl-Z are for the command
		"-yy", "-s256", "--pidns-translation", // what a descriptor and a PID mean
		"-e", "signal=none", "-e", "trace=" + traced,
		"-o", fmt.Sprintf("/proc/%s/fd/%d", self, pipe.Fd()), "--",
		fmt.Sprintf("/proc/%s/exe", self), Name, "--" + beginning, "--",
	}, args...)
}

// beginning is the option of this program as the child of strace.
const beginning = "begin"

// begin becomes the command, which the kernel kills when strace ends. Without that it
// would go on untraced. strace can do it from version 6.6 on, and then for the children
// of the command too, which go on without strace here as they do without trace.
func begin(args []string) error {
	runtime.LockOSThread() // each thread has a PDEATHSIG of its own, also for execve(2)
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return failed(cmdline.StatusFailed, linux.Failed("prctl", "PR_SET_PDEATHSIG", err), "")
	}
	status, _ := os.ReadFile("/proc/self/status")
	if linux.Field(status, "TracerPid:") == "0" { // it has ended before the call above
		return cmdline.Status(128 + int(unix.SIGKILL))
	}
	file, err := exec.LookPath(args[0])
	if err != nil {
		return noCommand(args[0], err)
	}
	err = unix.Exec(file, args, os.Environ())
	return failed(cmdline.NotExecutable, linux.Failed("exec", cmdline.Quote(args[0]), err),
		"")
}

// status returns the exit status for that of strace, which ends as the command did.
func status(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// catch hands SIGTERM and SIGHUP on to the command, whose pidfd comes on a channel: its
// PID may belong to another process when it has ended. Then its children are traced, and
// the signal ends strace, which blocks all others. A terminal sends SIGINT and SIGQUIT to
// the command itself. A signal that the caller ignores stays ignored. The function that
// it returns ends it.
func catch(began <-chan int, strace *exec.Cmd) (end func()) {
	signals := make(chan os.Signal, 4)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	job.TakeQuit()
	go func() {
		command, known := -1, false
		for sig := range signals {
			if sig == unix.SIGINT || sig == unix.SIGQUIT {
				continue
			}
			if !known {
				command, known = <-began, true
			}
			if unix.PidfdSendSignal(command, sig.(syscall.Signal), nil, 0) != nil {
				_ = strace.Process.Kill()
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// read writes a line for each call that is shown, until the end of the pipe.
func (t *tracker) read(from io.Reader, began chan<- int) {
	p := parser{unfinished: map[int]string{}}
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		c, ended := p.parse(line[:len(line)-1])
		switch {
		case ended != 0:
			t.ended(ended)
		case c.name != "":
			if t.first == nil {
				pidfd, _ := unix.PidfdOpen(c.pid, 0) // -1 if it has ended
				began <- pidfd
			}
			t.add(c)
		}
	}
	t.finish()
}
