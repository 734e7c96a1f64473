//go:build linux

package common

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/job"
	"nsteps/internal/linux"
)

// A Child is this program again, in the namespaces that Start gave it.
type Child struct {
	c      *cli.Context
	pid    int
	pidfd  int
	trace  int // the child's descriptor 2 until it is the command
	socket int
	job    *job.Job
	ready  bool // it dies with this process
}

// Start clones this program into new namespaces, one for each CLONE_NEW flag. Each of
// more sets further attributes of the new process, for example its cgroup. The child
// waits for Release. It is killed when the parent ends, however it ends; so the goroutine
// that calls Start stays on its thread, and has to stay until Wait or Abort has returned.
func Start(c *cli.Context, flags uintptr,
	more ...func(*syscall.SysProcAttr),
) (*Child, error) {
	// PDEATHSIG comes when the thread that cloned ends, not the process (prctl(2)). A
	// program that calls unshare(2) or setns(2) before Start locks its thread in an init
	// function. The other programs don't: the lock makes each signal.Notify slower, in
	// all 16 % of a launch's CPU time.
	runtime.LockOSThread()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, Failed("socketpair", "for the child", err)
	}
	trace, err := unix.MemfdCreate("trace", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, Failed("memfd_create", "for the child", err)
	}
	// The child finds these under the same numbers, so that no descriptor that the
	// person has opened for the command is in the way.
	heritage, err := bequeath(pair[1])
	if err != nil {
		return nil, err
	}
	const none = -2 // ForkExec stores something else as soon as there is a child
	ch := &Child{c: c, socket: pair[0], pidfd: none, trace: trace}
	ch.job = job.New(c.App.Name, ch.isCommand)
	sys := &syscall.SysProcAttr{Cloneflags: flags, PidFD: &ch.pidfd}
	for _, set := range more {
		set(sys)
	}
	ch.pid, err = syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), childEnv+"="+heritage.String(), "GOMAXPROCS=1"),
		Files: []uintptr{0, 1, uintptr(trace)},
		Sys:   sys,
	})
	for _, fd := range []int{heritage.socket, heritage.stderr, heritage.ipc} {
		unix.Close(fd)
	}
	switch {
	case err == nil:
	case ch.pidfd == none:
		return nil, Failed("clone", cloned(sys), err)
	default: // the child had this error, of execve(2)
		return nil, Failed("re-execute", "/proc/self/exe", err)
	}
	ch.job.Begin(ch.pid, ch.pidfd, sys.Cloneflags&unix.CLONE_NEWPID != 0)
	Parentf(c, "cloned the child, PID %d", ch.pid)
	if c.Bool("verbose") {
		ch.compare()
	}
	return ch, nil
}

// cloned names what clone(2) was to make, for an error.
func cloned(sys *syscall.SysProcAttr) string {
	names := linux.FlagNames(sys.Cloneflags)
	if sys.UseCgroupFD {
		return strings.TrimPrefix(names+"|CLONE_INTO_CGROUP", "|")
	}
	return cmp.Or(names, "child")
}

// bequeath returns what the child inherits, with descriptors that execve(2) leaves open.
func bequeath(socket int) (i inheritance, err error) {
	i = inheritance{socket: socket, ipc: -1}
	if _, err = unix.FcntlInt(uintptr(socket), unix.F_SETFD, 0); err != nil {
		return i, Failed("fcntl", "socket", err)
	}
	if i.stderr, err = unix.Dup(2); err != nil {
		return i, Failed("dup", "standard error", err)
	}
	if made != nil {
		i.inode, i.queue = made.inode(), made.name
		if i.ipc, err = unix.Open(linux.IPCNamespace, unix.O_RDONLY, 0); err != nil {
			return i, Failed("open", linux.IPCNamespace, err)
		}
	}
	return i, nil
}

// compare prints which namespaces of the child are not the parent's.
func (ch *Child) compare() {
	for _, kind := range linux.Kinds {
		ours, _ := os.Readlink("/proc/self/ns/" + kind.File)
		childs, _ := os.Readlink(ch.Proc("ns/" + kind.File))
		if ours != childs {
			Parentf(ch.c, "%s -> %s", ours, childs)
		}
	}
}

// PID returns the child's PID, as the parent sees it.
func (ch *Child) PID() int { return ch.pid }

// Proc returns the name of one of the child's files in /proc/PID, for example "uid_map".
// It is right even where /proc belongs to another PID namespace than the parent's.
func (ch *Child) Proc(file string) string { return linux.ProcOf(ch.pidfd, file) }

// Release lets the child go on, from its start or from Yield. The thread that cloned the
// child calls it.
func (ch *Child) Release() {
	if !ch.ready && made == nil { // see becomeReady
		_, _ = await(ch.socket) // a child that has ended is reported by Wait
		ch.ready = true
	}
	job.CatchStops()
	hand(ch.socket, turn)
}

// Abort ends a child that the parent fails to set up between Start and Release. It
// returns the one error to report: err, or the reason why the child had ended before,
// from which err followed. The child itself reports nothing.
func (ch *Child) Abort(err error) error {
	ch.job.Kill()
	ws, waitErr := ch.job.Wait()
	if waitErr != nil {
		return Failed("wait for child", strconv.Itoa(ch.pid), waitErr)
	}
	Parentf(ch.c, "ended the child, which can't be set up")
	if early := ch.early(ws); early != nil {
		return early
	}
	// Ctrl-C goes to the child, too, which can't be set up any more.
	if ws.Signaled() && ws.Signal() != unix.SIGKILL {
		return ch.interrupted(ws.Signal())
	}
	return err
}

// Wait waits until the child has ended and gives the terminal back. Its error is nil
// for a child that exited with status 0; otherwise it holds the status for Main.
func (ch *Child) Wait() error {
	ws, err := ch.job.Wait()
	if err != nil {
		return Failed("wait for child", strconv.Itoa(ch.pid), err)
	}
	status := ws.ExitStatus()
	if ws.Signaled() {
		Parentf(ch.c, "the child was killed by signal %d (%v)", ws.Signal(), ws.Signal())
		status = 128 + int(ws.Signal())
	} else {
		Parentf(ch.c, "the child exited with status %d", status)
	}
	if err := ch.early(ws); err != nil {
		return err
	}
	if status != 0 {
		return cmdline.Status(status)
	}
	return nil
}

// early returns an error if the child has ended before it was the command: its Go
// runtime has failed, or a signal has ended the run, which early prints.
func (ch *Child) early(ws unix.WaitStatus) error {
	if err := ch.crash(ws); err != nil {
		return err
	}
	if sig := ch.job.Interrupted(); sig != 0 {
		return ch.interrupted(sig)
	}
	return nil
}

func (ch *Child) interrupted(sig syscall.Signal) error {
	fmt.Fprintf(os.Stderr, "%s: stopped by signal %d (%v) before the command began\n",
		ch.c.App.Name, sig, sig)
	return cmdline.Status(128 + int(sig))
}

// crash returns an error if the child's Go runtime has ended it with a trace, and the
// status 2 or SIGABRT. The runtime needs threads and memory, and a limit may leave too
// few for two processes. Its own handler of SIGQUIT prints a trace too.
func (ch *Child) crash(ws unix.WaitStatus) error {
	text := readTrace(ch.trace)
	if text == "" {
		return nil
	}
	switch failed := ws.ExitStatus() == 2 || ws.Signal() == unix.SIGABRT; {
	case failed && strings.Contains(text, "failed to create new OS thread"):
		return Failed("clone", "a thread of the child", unix.EAGAIN)
	case failed && (strings.Contains(text, "out of memory") ||
		strings.Contains(text, "cannot allocate")):
		return Failed("mmap", "memory of the child", unix.ENOMEM)
	case failed && strings.HasPrefix(text, "SIGQUIT: "):
		return ch.interrupted(unix.SIGQUIT)
	case failed: // a mistake of ours
		fmt.Fprint(os.Stderr, text)
		return cmdline.Status(cmdline.StatusFailed)
	}
	fmt.Fprint(os.Stderr, text)
	return nil
}

// readTrace returns what the child's Go runtime has written to its descriptor 2: a trace,
// or what the person asked for (GODEBUG=inittrace=1).
func readTrace(fd int) string {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Size == 0 {
		return ""
	}
	text := make([]byte, stat.Size)
	n, _ := unix.Pread(fd, text, 0)
	return string(text[:max(n, 0)])
}

// isCommand reports whether the child has become the command, or has ended: execve
// closed its end of the socket.
func (ch *Child) isCommand() bool { return closed(ch.socket) }
