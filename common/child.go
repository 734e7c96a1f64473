//go:build linux

package common

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// grace is the time between a SIGTERM or SIGHUP handed on and the SIGKILL after it.
const grace = 2 * time.Second

// childEnv marks the child. Its value is the descriptor of the child's socket.
const childEnv = "NSTEPS_CHILD"

// errGone tells one side that the other has ended.
var errGone = errors.New("the other process is gone")

// catchSignals returns a channel for the signals that would end the parent. It is
// called before anything is made that has to be removed again on every way out.
var catchSignals = sync.OnceValue(func() chan os.Signal {
	signals := make(chan os.Signal, 8)
	notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	return signals
})

// notify leaves alone a SIGHUP or SIGINT that the parent was told to ignore, by nohup(1)
// for one. Of other signals package signal doesn't know.
func notify(signals chan os.Signal, wanted ...os.Signal) {
	for _, sig := range wanted {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
}

// Namespaces lists the clone flags with their names in /proc/PID/ns, in the order
// in which they are printed: clone(2), namespaces(7).
var Namespaces = []struct {
	Flag       uintptr
	Name, File string
}{
	{unix.CLONE_NEWPID, "CLONE_NEWPID", "pid"},
	{unix.CLONE_NEWNS, "CLONE_NEWNS", "mnt"},
	{unix.CLONE_NEWUTS, "CLONE_NEWUTS", "uts"},
	{unix.CLONE_NEWNET, "CLONE_NEWNET", "net"},
	{unix.CLONE_NEWIPC, "CLONE_NEWIPC", "ipc"},
	{unix.CLONE_NEWUSER, "CLONE_NEWUSER", "user"},
	{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP", "cgroup"},
}

// A Child is this program again, in the namespaces that Start gave it.
type Child struct {
	c        *cli.Context
	pid      int // as the parent sees it
	pidfd    int
	socket   int
	isPID1   bool // of a new PID namespace
	terminal *terminal
	killedBy atomic.Int32 // the signal that ended the run before the command began
}

// Start clones this program into new namespaces, one for each CLONE_NEW flag. The
// child waits for Release. It is killed when the parent ends, however it ends; so
// the goroutine that calls Start has to stay until Wait has returned.
func Start(c *cli.Context, flags uintptr) (*Child, error) {
	// PDEATHSIG comes when the thread that cloned ends, not the process: prctl(2).
	runtime.LockOSThread()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, Failed("socketpair", "for the child", err)
	}
	// The child finds its end under the same number, so that no descriptor that
	// the person has opened for the command is in the way.
	if _, err := unix.FcntlInt(uintptr(pair[1]), unix.F_SETFD, 0); err != nil {
		return nil, Failed("fcntl", "socket", err)
	}
	ch := &Child{c: c, socket: pair[0], isPID1: flags&unix.CLONE_NEWPID != 0, terminal: openTerminal()}
	ch.pid, err = syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), childEnv+"="+strconv.Itoa(pair[1]), "GOMAXPROCS=1"),
		Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{
			Cloneflags: flags,
			PidFD:      &ch.pidfd,
		},
	})
	unix.Close(pair[1])
	switch err {
	case nil:
	case unix.ENOENT, unix.EACCES, unix.E2BIG: // of execve(2)
		return nil, Failed("re-execute", "/proc/self/exe", err)
	default:
		return nil, Failed("clone", FlagNames(flags), err)
	}
	go ch.handleSignals()
	Parentf(c, "cloned the child, PID %d", ch.pid)
	if c.Bool("verbose") {
		for _, ns := range Namespaces {
			if flags&ns.Flag != 0 {
				before, _ := os.Readlink("/proc/self/ns/" + ns.File)
				after, _ := os.Readlink(ch.proc("ns/" + ns.File))
				Parentf(c, "%s -> %s", before, after)
			}
		}
	}
	return ch, nil
}

// FlagNames names what clone(2) was asked for: "child" if it was no new namespace.
func FlagNames(flags uintptr) string {
	var names []string
	for _, ns := range Namespaces {
		if flags&ns.Flag != 0 {
			names = append(names, ns.Name)
		}
	}
	if names == nil {
		return "child"
	}
	return strings.Join(names, "|")
}

// Release lets the child go on, from its start or from Yield.
func (ch *Child) Release() { hand(ch.socket, turn) }

// Wait waits until the child has ended and gives the terminal back. Its error is nil
// for a child that exited with status 0; otherwise it holds the status for Main.
func (ch *Child) Wait() error {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(ch.pid, &ws, 0, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return Failed("wait for child", strconv.Itoa(ch.pid), err)
		}
	}
	ch.terminal.restore(ws.Signaled())
	if ws.Signaled() {
		Parentf(ch.c, "the child was killed by signal %d (%v)", ws.Signal(), ws.Signal())
	} else {
		Parentf(ch.c, "the child exited with status %d", ws.ExitStatus())
	}
	if sig := syscall.Signal(ch.killedBy.Load()); sig != 0 {
		fmt.Fprintf(os.Stderr, "%s: stopped by signal %d (%v) before the command began\n",
			ch.c.App.Name, sig, sig)
		return status(128 + int(sig))
	}
	if ws.Signaled() {
		return status(128 + int(ws.Signal()))
	}
	if ws.ExitStatus() != 0 {
		return status(ws.ExitStatus())
	}
	return nil
}

// handleSignals does for the child what the kernel doesn't. A key's signal (Ctrl-C,
// Ctrl-\, Ctrl-Z) reaches both sides from the terminal; but PID 1 of a namespace
// gets only those that it has a handler for: pid_namespaces(7).
func (ch *Child) handleSignals() {
	signals := catchSignals()
	notify(signals, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	warned := false
	for sig := range signals {
		sig := sig.(syscall.Signal)
		switch {
		case sig == unix.SIGTSTP:
			ch.stop(sig)
		case sig == unix.SIGTTIN || sig == unix.SIGTTOU:
			// A PID 1 that reads in the background is told again and again. What is
			// left of that when the step is in the foreground is out of date.
			if !inForeground() {
				ch.stop(sig)
			}
		case !ch.isCommand():
			ch.killedBy.CompareAndSwap(0, int32(sig))
			ch.kill(unix.SIGKILL)
		case sig == unix.SIGTERM || sig == unix.SIGHUP:
			ch.kill(sig)
			time.AfterFunc(grace, func() { ch.kill(unix.SIGKILL) })
		case !ch.isPID1:
		case !warned:
			time.Sleep(100 * time.Millisecond) // a command with a handler may be ending
			if !ch.catches(sig) && !ch.hasEnded() {
				fmt.Fprintf(os.Stderr, "%s: PID 1 has no handler for signal %d (%v), so it gets none: "+
					"once more kills it\n", ch.c.App.Name, sig, sig)
				warned = true
			}
		default:
			ch.kill(unix.SIGKILL)
		}
	}
}

// stop stops the parent as the terminal wants it, and with it a child that the
// terminal can't stop. It returns when the parent is continued.
func (ch *Child) stop(sig syscall.Signal) {
	if ch.isPID1 || !ch.isCommand() {
		ch.kill(unix.SIGSTOP)
	}
	// The default action, for this thread: so it has stopped when tgkill returns, and
	// not at all if nobody could continue it, in an orphaned process group. After
	// signal.Reset the handler of the Go runtime would still drop the signal.
	runtime.LockOSThread()
	var handler kernelSigaction
	sigaction(sig, &defaultAction, &handler)
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
	sigaction(sig, &handler, nil)
	runtime.UnlockOSThread()
	ch.kill(unix.SIGCONT)
}

// kernelSigaction is the kernel's struct sigaction, of amd64 and arm64 alike.
type kernelSigaction struct{ handler, flags, restorer, mask uint64 }

var defaultAction kernelSigaction // SIG_DFL

func sigaction(sig syscall.Signal, action, old *kernelSigaction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
}

// kill sends the child a signal. A pidfd never means another process that has got
// the child's PID meanwhile; that the child has ended already is no error here.
func (ch *Child) kill(sig syscall.Signal) {
	_ = unix.PidfdSendSignal(ch.pidfd, sig, nil, 0)
}

// isCommand reports whether the child has become the command, or has ended: execve
// closed its end of the socket.
func (ch *Child) isCommand() bool { return closed(ch.socket) }

// hasEnded reports whether the child has ended: a pidfd can be read from then on.
func (ch *Child) hasEnded() bool {
	ready, err := poll(0, ch.pidfd)
	return err == nil && ready[0] != 0
}

// catches reports whether the child has a handler for the signal.
func (ch *Child) catches(sig syscall.Signal) bool {
	file, _ := os.ReadFile(ch.proc("status"))
	return mask(file, "SigCgt:")&(1<<(sig-1)) != 0
}

// proc returns the name of one of the child's files in /proc. The PID won't do for
// that: after step1-pid -p, /proc still is the outer namespace's, and numbers the
// child differently. The fdinfo of a pidfd has the number that this /proc uses.
func (ch *Child) proc(file string) string {
	fdinfo, _ := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", ch.pidfd))
	return "/proc/" + field(fdinfo, "Pid:") + "/" + file
}

// field returns the value of a line "name value" of a file in /proc.
func field(file []byte, name string) string {
	for line := range bytes.Lines(file) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// mask returns a mask of /proc/PID/status, of 16 hexadecimal digits, or 0 if it isn't
// there: proc_pid_status(5). Signal n is bit n-1.
func mask(file []byte, name string) uint64 {
	m, _ := strconv.ParseUint(field(file, name), 16, 64)
	return m
}

// Yield hands the turn to the parent and waits until it is released again. The
// child calls it.
func Yield() error {
	hand(socket(), turn)
	_, err := await(socket())
	return err
}

// resetIgnored makes the signals that the child has inherited as ignored the default
// again: execve(2) resets only what is caught. Package signal doesn't do for all of
// them: to a program that it spawns, the C library hands two of its own on as ignored.
func resetIgnored() {
	status, _ := os.ReadFile("/proc/self/status")
	for ignored := mask(status, "SigIgn:"); ignored != 0; ignored &= ignored - 1 {
		n := bits.TrailingZeros64(ignored) + 1
		sigaction(syscall.Signal(n), &defaultAction, nil)
	}
}

func isChild() bool {
	_, ok := os.LookupEnv(childEnv)
	return ok
}

// socket returns the child's end of the socket, -1 if there is none.
func socket() int {
	fd, err := strconv.Atoi(os.Getenv(childEnv))
	if err != nil {
		return -1
	}
	return fd
}

// What parent and child tell each other, in a byte.
const (
	turn   = 't' // it is the other side's turn
	opened = 'o' // the child has opened the message queue
)

// hand writes a byte to the other side. If that is gone, the next read says so.
func hand(socket int, b byte) {
	_ = unix.Sendto(socket, []byte{b}, unix.MSG_NOSIGNAL, nil)
}

// await reads a byte from the other side.
func await(socket int) (byte, error) {
	b := make([]byte, 1)
	for {
		switch n, err := unix.Read(socket, b); {
		case err == unix.EINTR:
		case n == 1:
			return b[0], nil
		case n == 0 || err == unix.ECONNRESET:
			return 0, errGone
		default:
			return 0, Failed("read", "socket "+os.Getenv(childEnv), err)
		}
	}
}

// closed reports whether the other side has closed its end.
func closed(socket int) bool {
	ready, err := poll(0, socket)
	return err == nil && ready[0]&unix.POLLHUP != 0
}

// poll waits until one of the descriptors can be read, or for the time given, forever
// if that is negative. It returns the events of each, poll(2).
func poll(limit time.Duration, fds ...int) (ready []int16, err error) {
	set := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		set[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	for deadline := time.Now().Add(limit); ; {
		ms := -1
		if limit >= 0 {
			ms = int(max(0, time.Until(deadline)).Milliseconds())
		}
		if _, err = unix.Poll(set, ms); err != unix.EINTR {
			break
		}
	}
	for _, fd := range set {
		ready = append(ready, fd.Revents)
	}
	return ready, err
}
