//go:build linux

package job

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Die ends this process by a signal, without a core file. signal.Reset wouldn't do for
// SIGQUIT: it leaves the handler of the Go runtime, which prints the stacks of all
// goroutines and exits with status 2. PID 1 of a PID namespace doesn't die of its own
// signals (pid_namespaces(7)). It exits with 128+n, the status that a shell has for
// signal n.
func Die(sig syscall.Signal) {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	runtime.LockOSThread() // a signal to its own thread is there when tgkill returns
	sigaction(sig, &defaultAction, nil)
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
	os.Exit(128 + int(sig))
}
