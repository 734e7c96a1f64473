//go:build linux

// Calls tries system calls, with arguments that do nothing, and prints each error.
package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const none = ^uintptr(0) // no descriptor, and no flags that exist

var calls = []struct {
	name      string
	number    uintptr
	arguments [5]uintptr
}{
	{"mount", unix.SYS_MOUNT, [5]uintptr{}},
	{"umount2", unix.SYS_UMOUNT2, [5]uintptr{}},
	{"pivot_root", unix.SYS_PIVOT_ROOT, [5]uintptr{}},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR, [5]uintptr{none, 0, none}},
	{"move_mount", unix.SYS_MOVE_MOUNT, [5]uintptr{none, 0, none, 0, none}},
	{"open_tree", unix.SYS_OPEN_TREE, [5]uintptr{none, 0, none}},
	{"open_tree_attr", unix.SYS_OPEN_TREE_ATTR, [5]uintptr{none, 0, none}},
	{"fsopen", unix.SYS_FSOPEN, [5]uintptr{}},
	{"fspick", unix.SYS_FSPICK, [5]uintptr{none, 0, none}},
	{"unshare", unix.SYS_UNSHARE, [5]uintptr{none}},
	{"setns", unix.SYS_SETNS, [5]uintptr{none}},
	{"bpf", unix.SYS_BPF, [5]uintptr{none}},
	{"reboot", unix.SYS_REBOOT, [5]uintptr{}},
	{"init_module", unix.SYS_INIT_MODULE, [5]uintptr{}},
	{"finit_module", unix.SYS_FINIT_MODULE, [5]uintptr{none, 0, none}},
	{"delete_module", unix.SYS_DELETE_MODULE, [5]uintptr{}},
	{"kexec_load", unix.SYS_KEXEC_LOAD, [5]uintptr{0, 0, 0, none}},
	{"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD, [5]uintptr{none, none, 0, 0, none}},
	{"add_key", unix.SYS_ADD_KEY, [5]uintptr{}},
	{"request_key", unix.SYS_REQUEST_KEY, [5]uintptr{}},
	{"keyctl", unix.SYS_KEYCTL, [5]uintptr{none}},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, [5]uintptr{none}},
	{"clone3", unix.SYS_CLONE3, [5]uintptr{}},
	// The two flags exclude each other.
	{"clone", unix.SYS_CLONE, [5]uintptr{unix.CLONE_NEWNS | unix.CLONE_FS}},
	{"ioctl TIOCSTI", unix.SYS_IOCTL, [5]uintptr{none, unix.TIOCSTI}},
	{"ioctl TIOCLINUX", unix.SYS_IOCTL, [5]uintptr{none, unix.TIOCLINUX}},
	{"ioctl TCGETS", unix.SYS_IOCTL, [5]uintptr{none, unix.TCGETS}},
	{"getpid, x32", 39 | 1<<30, [5]uintptr{}},
	{"getppid", unix.SYS_GETPPID, [5]uintptr{}},
}

func main() {
	for _, c := range calls {
		a := c.arguments
		_, _, errno := unix.Syscall6(c.number, a[0], a[1], a[2], a[3], a[4], 0)
		fmt.Printf("%s: %s\n", c.name, unix.ErrnoName(errno))
	}
}
