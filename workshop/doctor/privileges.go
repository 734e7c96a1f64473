//go:build linux

package doctor

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// The probes in this file change their thread for good. The child of a probe ends after
// it.

// dropCapability takes a capability out of the bounding set that this process may lack.
func dropCapability() error {
	runtime.LockOSThread()
	const capability = unix.CAP_SYS_BOOT
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
		return linux.Failed("drop capability", strconv.Itoa(capability), err)
	}
	return nil
}

// readOnlyProc makes a part of a new proc read-only.
func readOnlyProc() error {
	const dir = "/proc/sys"
	if err := proc(); err != nil {
		return err
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return linux.Failed("bind mount", dir, err)
	}
	const readOnly = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY |
		unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("", dir, "", readOnly, ""); err != nil {
		return linux.Failed("make read-only", dir, err)
	}
	return dropCapability()
}

// installFilter installs a filter that allows all system calls.
func installFilter() error {
	runtime.LockOSThread()
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	program := unix.SockFprog{Len: 1, Filter: &allow}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return linux.Failed("prctl", "PR_SET_NO_NEW_PRIVS", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		uintptr(unsafe.Pointer(&program))); errno != 0 {
		return linux.Failed("seccomp", "SECCOMP_SET_MODE_FILTER", errno)
	}
	return nil
}

// setClocks makes a TIME namespace, and sets its clocks as those outside.
func setClocks() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return linux.Failed("unshare", "CLONE_NEWTIME", err)
	}
	// The name holds where /proc is of another PID namespace too.
	task, err := os.Readlink("/proc/thread-self")
	if err != nil {
		return err
	}
	var process, thread int
	if _, err := fmt.Sscanf(task, "%d/task/%d", &process, &thread); err != nil {
		return err
	}
	name := fmt.Sprintf("/proc/%d/timens_offsets", thread)
	return os.WriteFile(name, []byte("monotonic 0 0\n"), 0)
}
