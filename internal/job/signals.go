//go:build linux

package job

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

const (
	// grace is the time between a SIGTERM or SIGHUP handed on and the SIGKILL after it.
	grace = 2 * time.Second
	// reaction is the time that a command has to end by itself after a key's signal.
	reaction = 100 * time.Millisecond
)

// signals are the signals that the parent has received and not yet handled. Signals of
// one meaning share a channel, so that a flood of one kind pushes out no other kind.
type signals struct {
	ends chan os.Signal // SIGTERM, SIGHUP: one of them is enough
	keys chan os.Signal // SIGINT, SIGQUIT
	tstp chan os.Signal // SIGTSTP
	tty  chan os.Signal // SIGTTIN, SIGTTOU
	cont chan os.Signal // SIGCONT
}

// caught catches the signals that would end the parent, once. It is called before
// anything is made that has to be removed again on every way out.
var caught = sync.OnceValue(func() *signals {
	s := &signals{
		ends: make(chan os.Signal, 1), keys: make(chan os.Signal, 2),
		tstp: make(chan os.Signal, 1), tty: make(chan os.Signal, 1),
		cont: make(chan os.Signal, 1),
	}
	Notify(s.ends, unix.SIGTERM, unix.SIGHUP)
	Notify(s.keys, unix.SIGINT, unix.SIGQUIT)
	return s
})

// CatchStops catches the signals that stop and continue the parent, before the child can
// run: a Ctrl-Z must not stop the parent alone. Each signal costs the Go runtime two
// switches of threads, so that happens beside the start of the child.
func CatchStops() { catchStops() }

var catchStops = sync.OnceFunc(func() {
	s := caught()
	signal.Notify(s.tstp, unix.SIGTSTP)
	signal.Notify(s.tty, unix.SIGTTIN, unix.SIGTTOU)
	signal.Notify(s.cont, unix.SIGCONT)
})

// Notify has signals sent to a channel, but goes on ignoring those that the caller of
// this program ignores, for example nohup(1).
func Notify(c chan os.Signal, wanted ...syscall.Signal) {
	for _, sig := range wanted {
		if ignored(sig) {
			signal.Ignore(sig)
		} else {
			signal.Notify(c, sig)
		}
	}
}

// ignored reports whether the caller ignores SIGHUP, SIGINT or SIGQUIT. The Go runtime
// catches SIGQUIT before main, and with that its old action is lost. SIGINT answers for
// it: a shell ignores both, or neither, for a background job (POSIX).
func ignored(sig syscall.Signal) bool {
	if sig == unix.SIGQUIT {
		sig = unix.SIGINT
	}
	return signal.Ignored(sig)
}

// handleSignals does for the child what the kernel doesn't. A key's signal (Ctrl-C,
// Ctrl-\, Ctrl-Z) goes to the foreground process group, usually to parent and child.
// But a PID 1 gets only signals that it has a handler for, and a command can move to
// another process group (pid_namespaces(7)).
func (j *Job) handleSignals(s *signals) {
	ticks := j.terminal.ticks()
	for {
		select {
		case sig := <-s.ends:
			j.end(sig.(syscall.Signal))
		case sig := <-s.keys:
			j.key(sig.(syscall.Signal))
		case <-j.unheard:
			j.explain()
		case <-j.unstopped:
			j.stopAnyway(s)
		case <-s.tstp:
			j.stopChild()
		case <-s.tty:
			j.background()
		case <-j.stopped:
			j.followStop(s)
		case <-s.cont:
			j.proceed()
		case <-ticks:
			j.terminal.tick()
		}
	}
}

// end ends the run for a SIGTERM or SIGHUP. From now on nothing stops the parent: the
// SIGKILL has to come.
func (j *Job) end(sig syscall.Signal) {
	if !j.isCommand() {
		j.giveUp(sig)
		return
	}
	j.ending.Store(true)
	_ = j.kill(sig)
	_ = j.kill(unix.SIGCONT) // or a stopped command could not end by itself
	time.AfterFunc(grace, func() {
		if err := j.kill(unix.SIGKILL); err != nil { // the command is another user's
			fmt.Fprintf(os.Stderr, "%s: kill child %d: %v\n", j.program, j.pid, err)
			j.terminal.restore(true)
			os.Exit(128 + int(sig))
		}
	})
}

// giveUp ends a run whose command has not begun.
func (j *Job) giveUp(sig syscall.Signal) {
	j.interrupted.CompareAndSwap(0, int32(sig))
	_ = j.kill(unix.SIGKILL)
}

// key handles Ctrl-C and Ctrl-\.
func (j *Job) key(sig syscall.Signal) {
	switch {
	case !j.isCommand():
		j.giveUp(sig)
		return
	case j.explained && !j.decides(sig):
		_ = j.kill(unix.SIGKILL)
		return
	}
	j.killGroup(sig)
	if j.isPID1 {
		j.unheardSignal = sig
		j.unheard = time.After(reaction)
	}
}

// explain tells the person why Ctrl-C did nothing, unless it did something.
func (j *Job) explain() {
	sig := j.unheardSignal
	if j.explained || j.decides(sig) || linux.HasEnded(j.pidfd) {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: PID 1 has no handler for signal %d (%v), "+
		"so the kernel drops it: a second one kills PID 1\n", j.program, sig, sig)
	j.explained = true
}

// stopChild handles Ctrl-Z. The step stops when its child has stopped, and a PID 1 has
// to be stopped from outside. If it has a handler, that comes first: the handler of
// another step, for example, stops that step's own child.
func (j *Job) stopChild() {
	if j.ending.Load() {
		return
	}
	j.killGroup(unix.SIGTSTP)
	limit := reaction
	switch {
	case !j.isPID1:
	case j.handles(unix.SIGTSTP):
		limit *= 5 // it does more than to stop
	default:
		j.stopPID1()
	}
	j.unstopped = time.After(limit)
}

func (j *Job) stopPID1() {
	j.stopping = true
	_ = j.kill(unix.SIGSTOP)
}

// stopAnyway stops a step whose child has not stopped. A child that catches SIGTSTP and
// goes on is right. A shell in vfork(2) can't stop. It waits for a new process, which the
// terminal may have stopped before its execve(2).
func (j *Job) stopAnyway(s *signals) {
	switch {
	case j.isEnding(s) || linux.HasEnded(j.pidfd):
	case j.isPID1:
		j.stopPID1()
		j.stop(s)
	case !j.handles(unix.SIGTSTP):
		// The SIGTSTP was for the step alone, or the SIGCONT that the step handed on after
		// fg came late and continued the child.
		_ = j.kill(unix.SIGTSTP)
		j.stop(s)
	}
}

// isEnding reports whether a SIGTERM or SIGHUP has been received: nothing may stop the
// parent then.
func (j *Job) isEnding(s *signals) bool { return j.ending.Load() || len(s.ends) > 0 }

// background handles the signal for a process group that uses the terminal from the
// background. The kernel signals a PID 1 that reads there again at each try, so it would
// spin. A signal that arrives when the step is in the foreground again is stale.
func (j *Job) background() {
	// A child that still asks for a message has no Wait that sees it stop.
	if !j.takeBack() && (j.isPID1 || !j.isCommand()) && !j.terminal.inForeground() {
		j.stopChild()
	}
}

// takeBack takes the terminal back from a process group without members, and continues
// the step's group, which the use of the terminal may have stopped.
func (j *Job) takeBack() bool {
	if !j.terminal.takeBack() {
		return false
	}
	proceed := func() { _ = unix.Kill(0, unix.SIGCONT) }
	proceed()
	// A step inside this one, which can't see the group, may stop its child only now.
	time.AfterFunc(reaction, proceed)
	return true
}

// followStop stops the parent, as the child has stopped: by a key, by itself (the suspend
// of a shell), or because it used the terminal from the background.
func (j *Job) followStop(s *signals) {
	file, _ := os.ReadFile(linux.ProcOf(j.pidfd, "status"))
	isStopped := strings.HasPrefix(linux.Field(file, "State:"), "T")
	if isStopped && !j.isEnding(s) && !j.takeBack() {
		j.stop(s)
	}
}

// stop stops the parent. It returns when the parent is continued.
func (j *Job) stop(s *signals) {
	j.unstopped = nil
	front := j.terminal.front()
	stopSelf()
	drain(s.tstp)
	drain(s.tty)
	j.terminal.resume(front)
	if group, _ := unix.Getpgid(j.pid); group == front {
		j.terminal.giveTo(group) // a shell that had suspended itself
	}
	// A PID 1 stops and continues with the process outside that started it, as its
	// own SIGTSTP does nothing. Whoever stopped the child otherwise continues it.
	if j.stopping && os.Getpid() != 1 {
		j.proceed()
	}
	// A shell that ends a stopped job sends SIGTERM, then SIGCONT. No other stop must
	// overtake these two. Without a SIGCONT the parent was not stopped.
	select {
	case sig := <-s.ends:
		j.end(sig.(syscall.Signal))
	case <-s.cont:
		j.proceed()
	case <-time.After(reaction):
	}
}

// stopSelf stops this process as Ctrl-Z would, until it is continued.
func stopSelf() {
	// The default action of SIGTSTP stops nothing if nobody could continue it, in an
	// orphaned process group (setpgid(2)). So this process takes the default action for a
	// moment. It signals its own thread: then tgkill returns only after the stop. After
	// signal.Reset the handler of the Go runtime would still drop the signal.
	runtime.LockOSThread()
	var handler kernelSigaction
	sigaction(unix.SIGTSTP, &defaultAction, &handler)
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTSTP)
	sigaction(unix.SIGTSTP, &handler, nil)
	runtime.UnlockOSThread()
}

// proceed continues the child, as the parent was continued.
func (j *Job) proceed() {
	j.terminal.remember()
	j.stopping = false
	_ = j.kill(unix.SIGCONT)
	j.killGroup(unix.SIGCONT)
}

func drain(c chan os.Signal) {
	select {
	case <-c:
	default:
	}
}

// kernelSigaction is the kernel's struct sigaction, the same on amd64 and arm64.
type kernelSigaction struct{ handler, flags, restorer, mask uint64 }

var (
	defaultAction kernelSigaction                    // SIG_DFL
	ignoreAction  = kernelSigaction{handler: sigIgn} // SIG_IGN
)

const (
	sigIgn     = 1
	lastSignal = 64
)

func sigaction(sig syscall.Signal, action, old *kernelSigaction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
}

// kill sends the child a signal. A pidfd never means another process that has got
// the child's PID meanwhile; that the child has ended already is no error here. Seccomp
// filters older than Linux 5.1 know no pidfd_send_signal(2).
func (j *Job) kill(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(j.pidfd, sig, nil, 0)
	if err != nil && err != unix.ESRCH && !linux.HasEnded(j.pidfd) {
		err = unix.Kill(j.pid, sig)
	}
	if err == unix.ESRCH {
		return nil
	}
	return err
}

// killGroup sends a key's signal to the process group of a child that has left the
// step's group, as timeout(1) does: the terminal doesn't know of it.
func (j *Job) killGroup(sig syscall.Signal) {
	group, err := unix.Getpgid(j.pid)
	// 0 is a group of an outer PID namespace, which is the step's own.
	if err == nil && group > 1 && group != unix.Getpgrp() && !linux.HasEnded(j.pidfd) {
		_ = unix.Kill(-group, sig)
	}
}

// decides reports whether it is the child's decision what the signal does: the child
// handles the signal, or takes it later (sigwait(3), signalfd(2)).
func (j *Job) decides(sig syscall.Signal) bool {
	return j.handles(sig) || j.has("SigBlk:", sig)
}

// handles reports whether the child catches or ignores the signal.
func (j *Job) handles(sig syscall.Signal) bool {
	return j.has("SigCgt:", sig) || j.has("SigIgn:", sig)
}

// has looks for a signal in a mask of the child (proc_pid_status(5)).
func (j *Job) has(name string, sig syscall.Signal) bool {
	file, _ := os.ReadFile(linux.ProcOf(j.pidfd, "status"))
	return linux.Mask(file, name)&(1<<(sig-1)) != 0
}

// ResetSignals gives the command the signals that it expects: the default actions, but
// for SIGHUP, SIGINT and SIGQUIT if the caller ignores them, and none blocked. execve(2)
// resets only what is caught. Package signal doesn't know all of the others: the C
// library hands two of its own on as ignored.
func ResetSignals() error {
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		var action kernelSigaction
		sigaction(sig, nil, &action)
		if action.handler == sigIgn && sig != unix.SIGHUP && sig != unix.SIGINT {
			sigaction(sig, &defaultAction, nil)
		}
	}
	quit := &defaultAction // until execve(2), Go's handler would print a trace
	if ignored(unix.SIGQUIT) {
		quit = &ignoreAction
	}
	sigaction(unix.SIGQUIT, quit, nil)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return linux.Failed("unblock", "signals", err)
	}
	return nil
}
