//go:build linux

package linux

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Reexec is how this program is started again in namespaces of another process. Package
// exec can't enter namespaces. Only a process with one thread may enter a USER or TIME
// namespace (setns(2)); a Go program has several, a copy made by fork(2) has one.
type Reexec struct {
	Enter   []int   // descriptors of namespaces, at most 8, the USER namespace first
	Process uintptr // CLONE_NEW flags, if Enter is a pidfd: namespaces of that process
	Unshare uintptr // CLONE_NEW flags of new namespaces, after that
	Stdout  int     // the descriptor that becomes its stdout
	Root    bool    // its user and group are 0, if the USER namespace has a 0
	Signals bool    // it gets the signals that this process gets
}

// Run starts this program with these arguments, and waits for its end. It gets SIGKILL
// when this process ends; without Signals it gets no other signal except SIGSTOP. If it
// doesn't come to execve(2), the operation says what failed: "clone", "setns", "unshare"
// or "execve".
func (r *Reexec) Run(args ...string) (status unix.WaitStatus, operation string,
	err error,
) {
	pid, operation, err := r.Start(args...)
	if err != nil {
		return 0, operation, err
	}
	_, err = retry(func() (int, error) { return unix.Wait4(pid, &status, 0, nil) })
	return status, "wait", err
}

// Start is like Run, but doesn't wait. The SIGKILL comes when the calling thread ends.
func (r *Reexec) Start(args ...string) (pid int, operation string, err error) {
	argv, err := syscall.SlicePtrFromStrings(append(os.Args[:1:1], args...))
	if err != nil {
		return 0, "execve", err
	}
	envv, err := syscall.SlicePtrFromStrings(append(os.Environ(), "GOMAXPROCS=1"))
	if err != nil {
		return 0, "execve", err
	}
	path, err := unix.BytePtrFromString("/proc/self/exe")
	if err != nil {
		return 0, "execve", err
	}
	f := fork{
		parent: uintptr(os.Getpid()), count: len(r.Enter), process: r.Process,
		unshare: r.Unshare, stdout: uintptr(r.Stdout),
		root: r.Root, signals: r.Signals, path: path, argv: &argv[0], envv: &envv[0],
	}
	for i, fd := range r.Enter {
		f.enter[i] = uintptr(fd)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, "clone", err
	}
	defer unix.Close(pipe[0])
	f.report = uintptr(pipe[1])
	pid, err = f.start()
	unix.Close(pipe[1])
	if err != nil {
		return 0, "clone", err
	}
	var failed failure
	n, _ := retry(func() (int, error) { return unix.Read(pipe[0], failed[:]) })
	runtime.KeepAlive(&f)
	if n == len(failed) {
		_, _ = retry(func() (int, error) { return unix.Wait4(pid, nil, 0, nil) })
		return 0, stages[failed[0]], unix.Errno(failed[1])
	}
	return pid, "", nil
}

func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// maxEnter is the number of kinds of namespaces.
const maxEnter = 8

// A fork is what the copy of this process needs, prepared before there is one.
type fork struct {
	parent     uintptr
	enter      [maxEnter]uintptr
	count      int
	process    uintptr
	unshare    uintptr
	stdout     uintptr
	root       bool
	signals    bool
	mask       unix.Sigset_t // the caller's
	action     [4]uint64     // the kernel's struct sigaction: the first is the handler
	report     uintptr       // the pipe for a failure, which execve(2) closes
	path       *byte
	argv, envv **byte
}

const sigIgn = 1 // SIG_IGN

// A failure is what the copy reports if it doesn't come to execve(2): the stage, and the
// errno.
type failure [2]byte

const (
	stageSetns = iota
	stageUnshare
	stageExecve
)

var stages = [256]string{"setns", "unshare", "execve"}

// start forks. No handler of the Go runtime may run in the copy, which has no threads
// of the runtime, so all signals are blocked from before clone(2). The thread is
// locked, since PDEATHSIG comes when the thread ends that cloned (see
// PR_SET_PDEATHSIG(2const)).
func (f *fork) start() (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &f.mask); err != nil {
		return 0, err
	}
	child, errno := f.clone()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &f.mask, nil); err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, errno
	}
	return int(child), nil
}

// clone is fork(2), and in the copy setns(2), unshare(2) and execve(2). The copy has
// the one thread that called clone: a lock that another thread held is never released
// in there, and nobody collects garbage. So it makes raw system calls and nothing else:
// no allocation, no growth of the stack (go:nosplit), no call into the race detector
// (go:norace), no preemption point. The memory is a copy, without CLONE_VM: with it,
// kernels up to 6.1 refuse a TIME namespace (EINVAL).
//
//go:norace
//go:nosplit
func (f *fork) clone() (pid uintptr, errno unix.Errno) {
	pid, _, errno = unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	var failed failure
	for i := 0; i < f.count && errno == 0; i++ {
		_, _, errno = unix.RawSyscall(unix.SYS_SETNS, f.enter[i&(maxEnter-1)],
			f.process, 0)
	}
	if errno == 0 && f.unshare != 0 {
		failed[0] = stageUnshare
		_, _, errno = unix.RawSyscall(unix.SYS_UNSHARE, f.unshare, 0, 0)
	}
	if errno == 0 && f.root { // a USER namespace without a 0 refuses that
		_, _, _ = unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0)
	}
	if errno == 0 {
		failed[0] = stageExecve
		_, _, _ = unix.RawSyscall(unix.SYS_DUP3, f.stdout, 1, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG,
			uintptr(unix.SIGKILL), 0)
		if ppid, _, _ := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); ppid != f.parent {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0) // it ended before that
		}
		if f.signals {
			f.resetSignals()
		}
		_, _, errno = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(f.path)),
			uintptr(unsafe.Pointer(f.argv)), uintptr(unsafe.Pointer(f.envv)))
	}
	failed[1] = byte(errno)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, f.report,
		uintptr(unsafe.Pointer(&failed)), unsafe.Sizeof(failed))
	for { // nothing of Go may run here, so nothing returns
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// resetSignals takes the handlers of Go away, and lets the signals come that were held
// back. execve(2) does the first, too, but a signal may have come by now.
//
//go:norace
//go:nosplit
func (f *fork) resetSignals() {
	for sig := uintptr(1); sig <= 64; sig++ {
		action := uintptr(unsafe.Pointer(&f.action))
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, action, 8, 0, 0)
		if f.action[0] != sigIgn {
			f.action = [4]uint64{} // SIG_DFL
			_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, action, 0, 8, 0, 0)
		}
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(&f.mask)), 0, 8, 0, 0)
}

// HasSysAdmin reports whether CAP_SYS_ADMIN is effective, in this process's own USER
// namespace.
func HasSysAdmin() bool { return HasCapability(unix.CAP_SYS_ADMIN) }

// HasCapability reports whether a capability is effective. It asks capget(2), which needs
// no /proc.
func HasCapability(number int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[number/32].Effective&(1<<(number%32)) != 0
}
