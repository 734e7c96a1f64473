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
