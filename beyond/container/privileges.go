//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/bpf"
	"nsteps/beyond/internal/privilege"
	"nsteps/common"
)

// kept are the capabilities that Docker leaves root in a container.
var kept = []uintptr{
	unix.CAP_AUDIT_WRITE, unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER,
	unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_MKNOD, unix.CAP_NET_BIND_SERVICE,
	unix.CAP_NET_RAW, unix.CAP_SETFCAP, unix.CAP_SETGID, unix.CAP_SETPCAP,
	unix.CAP_SETUID, unix.CAP_SYS_CHROOT,
}

// limit takes privileges from the command. It comes after the set-up, which needs more.
func limit(c *cli.Context) error {
	if c.Bool("pid") && c.Bool("mnt") {
		// Some files in there ask for user 0, not for a capability (core(5), for example).
		if err := privilege.ProtectProc(c); err != nil {
			return err
		}
	}
	runtime.LockOSThread() // privileges belong to a thread, and this one calls execve(2)
	all, err := privilege.Capabilities()
	if err != nil {
		return err
	}
	for _, n := range all {
		if slices.Contains(kept, n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0); err != nil {
			return common.Failed("drop capability", fmt.Sprint(n), err)
		}
	}
	// execve(2) gives root the bounding set, and what was inheritable before.
	if err := privilege.ClearInheritable(); err != nil {
		return err
	}
	// From here on, set-user-ID bits and capabilities of files don't count.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return common.Failed("prctl", "PR_SET_NO_NEW_PRIVS", err)
	}
	common.Childf(c, "left root no other capabilities than Docker's %d", len(kept))
	return nil
}

// refused are system calls that change mounts, namespaces, the kernel, or its keys, or
// that open files by their inode numbers, which works through every wall.
var refused = []uint32{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_FSOPEN,
	unix.SYS_FSPICK, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_BPF, unix.SYS_REBOOT,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_ADD_KEY,
	unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_OPEN_BY_HANDLE_AT,
}

// filter lets the kernel refuse these calls to this thread, and to what it executes.
func filter(c *cli.Context) error {
	program := []unix.SockFilter{
		// A number means another call on another architecture, for example on i386.
		{Code: bpf.Load, K: bpf.Architecture},
		{Code: bpf.Equal, K: bpf.Native, Jt: 1},
		{Code: bpf.Answer, K: bpf.Kill},
		{Code: bpf.Load, K: bpf.Number},
		{Code: bpf.AtLeast, K: bpf.X32, Jf: 1},
		{Code: bpf.Answer, K: bpf.Refuse},
	}
	for _, number := range refused {
		program = append(program, unix.SockFilter{Code: bpf.Equal, K: number, Jf: 1},
			unix.SockFilter{Code: bpf.Answer, K: bpf.Refuse})
	}
	program = append(program, []unix.SockFilter{
		// The host's shell would read what these type into its terminal (ioctl_tty(2)).
		{Code: bpf.Equal, K: unix.SYS_IOCTL, Jf: 5},
		{Code: bpf.Load, K: bpf.SecondArgument},
		{Code: bpf.Equal, K: unix.TIOCLINUX, Jt: 1},
		{Code: bpf.Equal, K: unix.TIOCSTI, Jf: 1},
		{Code: bpf.Answer, K: bpf.Refuse},
		{Code: bpf.Answer, K: bpf.Allow},
		// A filter sees numbers only. The flags of clone3(2) are behind a pointer. Where
		// that call doesn't exist, programs call clone(2).
		{Code: bpf.Equal, K: unix.SYS_CLONE3, Jf: 1},
		{Code: bpf.Answer, K: bpf.NotThere},
		{Code: bpf.Equal, K: unix.SYS_CLONE, Jf: 3},
		{Code: bpf.Load, K: bpf.FirstArgument},
		{Code: bpf.AnyBit, K: bpf.Namespaces, Jf: 1},
		{Code: bpf.Answer, K: bpf.Refuse},
		{Code: bpf.Answer, K: bpf.Allow},
	}...)
	runtime.LockOSThread() // a filter belongs to a thread, and this one calls execve(2)
	// Without this, only root may have a filter: it could mislead set-user-ID programs.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return common.Failed("prctl", "PR_SET_NO_NEW_PRIVS", err)
	}
	code := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		uintptr(unsafe.Pointer(&code))); errno != 0 {
		return common.Failed("seccomp", "SECCOMP_SET_MODE_FILTER", errno)
	}
	common.Childf(c, "installed a filter of %d instructions", len(program))
	return nil
}
