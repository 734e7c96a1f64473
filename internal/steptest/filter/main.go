//go:build linux

// Filter executes a command for which some system calls fail with the errno given, as by
// the seccomp(2) filter of a container, or as on a kernel without them:
//
//	filter namespaces 1 cmd       clone(2) and unshare(2) make no namespaces
//	filter mount_setattr 38 cmd   mount_setattr(2) isn't there
//	filter capabilities 1 cmd     prctl(2) doesn't tell which capabilities there are
package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
)

// refused are the instructions that recognise a kind of call. The instruction after them
// refuses the call. They skip it for all other calls.
var refused = map[string][]unix.SockFilter{
	"namespaces": {
		{Code: equal, K: unix.SYS_CLONE, Jt: 1},
		{Code: equal, K: unix.SYS_UNSHARE, Jf: 3},
		{Code: load, K: 16}, // its first argument
		// All CLONE_NEW* of clone(2).
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x7e020000, Jf: 1},
	},
	"capabilities": { // prctl(2) with PR_CAPBSET_READ
		{Code: equal, K: unix.SYS_PRCTL, Jf: 3},
		{Code: load, K: 16},
		{Code: equal, K: unix.PR_CAPBSET_READ, Jf: 1},
	},
	"mount_setattr": {{Code: equal, K: unix.SYS_MOUNT_SETATTR, Jf: 1}},
}

func main() {
	errno, err := strconv.Atoi(os.Args[2])
	check(err)
	file, err := exec.LookPath(os.Args[3])
	check(err)
	filter := []unix.SockFilter{{Code: load, K: 0}} // the system call
	filter = append(filter, refused[os.Args[1]]...)
	filter = append(filter, []unix.SockFilter{
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}...)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	check(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	check(unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER,
		uintptr(unsafe.Pointer(&program)), 0, 0))
	check(unix.Exec(file, os.Args[3:], os.Environ()))
}

func check(err error) {
	if err != nil {
		println(err.Error())
		os.Exit(125)
	}
}
