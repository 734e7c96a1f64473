//go:build linux

package common

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

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
	trace    int // the child's descriptor 2 until it is the command
	socket   int
	isPID1   bool // of a new PID namespace
	terminal *terminal

	killedBy atomic.Int32 // the signal that ended the run before the command began
	ending   atomic.Bool  // SIGTERM or SIGHUP has been handed on

	caught  chan struct{} // closed when all signals are caught
	stopped chan struct{} // Wait has seen the child stop

	// These are handleSignals' own.
	unheard       <-chan time.Time // when PID 1 has had time to react to a key's signal
	unheardSignal syscall.Signal
	unstopped     <-chan time.Time // when the child has had time to stop
	explained     bool             // that once more kills
	stopping      bool             // the step has stopped the child
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
	ch := &Child{c: c, socket: pair[0], pidfd: none, trace: trace,
		isPID1:   flags&unix.CLONE_NEWPID != 0,
		terminal: openTerminal(), stopped: make(chan struct{}, 1)}
	ch.pid, err = syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), childEnv+"="+heritage.String(), "GOMAXPROCS=1"),
		Files: []uintptr{0, 1, uintptr(trace)},
		Sys: &syscall.SysProcAttr{
			Cloneflags: flags,
			PidFD:      &ch.pidfd,
		},
	})
	for _, fd := range []int{heritage.socket, heritage.stderr, heritage.ipc} {
		unix.Close(fd)
	}
	switch {
	case err == nil:
	case ch.pidfd == none:
		return nil, Failed("clone", FlagNames(flags), err)
	default: // the child had this error, of execve(2)
		return nil, Failed("re-execute", "/proc/self/exe", err)
	}
	go ch.handleSignals(catchSignals())
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
		if i.ipc, err = unix.Open(ipcNamespace, unix.O_RDONLY, 0); err != nil {
			return i, Failed("open", ipcNamespace, err)
		}
	}
	return i, nil
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
func (ch *Child) Release() {
	catchStops()
	hand(ch.socket, turn)
}

// Wait waits until the child has ended and gives the terminal back. Its error is nil
// for a child that exited with status 0; otherwise it holds the status for Main.
func (ch *Child) Wait() error {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(ch.pid, &ws, unix.WUNTRACED, nil)
		if err != nil && err != unix.EINTR {
			return Failed("wait for child", strconv.Itoa(ch.pid), err)
		}
		if err == nil && !ws.Stopped() {
			break
		}
		if err == nil {
			select {
			case ch.stopped <- struct{}{}:
			default: // there is one already
			}
		}
	}
	// 128+n: a shell whose command died of signal n.
	ch.terminal.restore(ws.Signaled() || ws.ExitStatus() > 128 || ch.ending.Load())
	if ws.Signaled() {
		Parentf(ch.c, "the child was killed by signal %d (%v)", ws.Signal(), ws.Signal())
	} else {
		Parentf(ch.c, "the child exited with status %d", ws.ExitStatus())
	}
	if err := ch.crash(); err != nil {
		return err
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

// crash returns an error if the child's Go runtime has failed, which prints a trace. It
// needs threads and memory, and a limit may leave too few for two processes.
func (ch *Child) crash() error {
	var stat unix.Stat_t
	if err := unix.Fstat(ch.trace, &stat); err != nil || stat.Size == 0 {
		return nil
	}
	trace := make([]byte, stat.Size)
	n, _ := unix.Pread(ch.trace, trace, 0)
	switch text := string(trace[:max(n, 0)]); {
	case strings.Contains(text, "failed to create new OS thread"):
		return Failed("clone", "a thread of the child", unix.EAGAIN)
	case strings.Contains(text, "out of memory"), strings.Contains(text, "cannot allocate"):
		return Failed("mmap", "memory of the child", unix.ENOMEM)
	default: // a mistake of ours
		fmt.Fprint(os.Stderr, text)
		return status(StatusFailed)
	}
}

// isCommand reports whether the child has become the command, or has ended: execve
// closed its end of the socket.
func (ch *Child) isCommand() bool { return closed(ch.socket) }

// hasEnded reports whether the child has ended: a pidfd can be read from then on.
func (ch *Child) hasEnded() bool {
	ready, err := poll(0, ch.pidfd)
	return err == nil && ready[0] != 0
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
