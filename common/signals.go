//go:build linux

package common

import (
	"fmt"
	"math/bits"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// grace is the time between a SIGTERM or SIGHUP handed on and the SIGKILL after it.
const grace = 2 * time.Second

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

// catches reports whether the child has a handler for the signal.
func (ch *Child) catches(sig syscall.Signal) bool {
	file, _ := os.ReadFile(ch.proc("status"))
	return mask(file, "SigCgt:")&(1<<(sig-1)) != 0
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
