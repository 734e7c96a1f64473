//go:build linux

// Mycontainer runs a command in a container, which it makes of an image directory.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread() // namespaces, privileges and filters belong to a thread
	if len(os.Args) < 3 {
		must("usage: mycontainer directory command [arg...]", unix.EINVAL)
	}
	if os.Args[0] == "child" {
		child(os.Args[1], os.Args[2:])
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = "child"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
			unix.CLONE_NEWNET | unix.CLONE_NEWIPC, Pdeathsig: unix.SIGKILL,
	}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var status *exec.ExitError
	if err := cmd.Run(); errors.As(err, &status) && status.Exited() {
		os.Exit(status.ExitCode())
	} else {
		must("run the child", err)
	}
}

// child sets up the container, and executes the command in it.
func child(image string, command []string) {
	mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	must("chdir "+image, os.Chdir(image))
	mount("tmpfs", "/tmp", "tmpfs", 0, "mode=755")
	for _, dir := range []string{"/tmp/upper", "/tmp/work", "/tmp/root"} {
		must("mkdir "+dir, os.Mkdir(dir, 0o755))
	}
	mount("overlay", "/tmp/root", "overlay", unix.MS_NODEV,
		"lowerdir=.,upperdir=/tmp/upper,workdir=/tmp/work,userxattr")
	old, err := os.OpenFile("/", unix.O_PATH, 0)
	must("open /", err)
	must("chdir", os.Chdir("/tmp/root"))
	must("pivot_root", unix.PivotRoot(".", "."))
	must("fchdir", old.Chdir()) // names without a slash in front are the host's now
	for _, dir := range []string{"/proc", "/dev", "/sys"} {
		must("mkdir "+dir, os.MkdirAll(dir, 0o755))
	}
	mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	mount("sysfs", "/sys", "sysfs", unix.MS_RDONLY, "")
	mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755")
	for _, device := range []string{"dev/null", "dev/zero", "dev/urandom", "dev/tty"} {
		must("create /"+device, os.WriteFile("/"+device, nil, 0o666))
		readOnly(device, "/"+device) // for chmod(2), which would reach the host's device
	}
	must("unmount the old root", unix.Unmount(".", unix.MNT_DETACH))
	must("chdir /", os.Chdir("/"))
	must("sethostname", unix.Sethostname([]byte("mycontainer")))
	must("unshare", unix.Unshare(unix.CLONE_NEWCGROUP))
	for _, dir := range []string{"bus", "fs", "irq", "sys", "sysrq-trigger"} {
		if _, err := os.Stat("/proc/" + dir); err == nil { // not every kernel has all
			readOnly("/proc/"+dir, "/proc/"+dir)
		}
	}
	must("close_range", unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC))
	limit()
	program, err := exec.LookPath(command[0])
	must("find the command", err)
	must("execve "+program, unix.Exec(program, command, os.Environ()))
}

// limit takes privileges: capabilities that the command has no use for, and system calls.
func limit() {
	kept := []uintptr{
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_KILL,
		unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_NET_BIND_SERVICE,
	}
	for n := uintptr(0); unix.Prctl(unix.PR_CAPBSET_READ, n, 0, 0, 0) == nil; n++ {
		if !slices.Contains(kept, n) {
			must("drop capability", unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0))
		}
	}
	must("no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	const load, equal, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS,
		unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	// It loads the number of the call from a struct seccomp_data. The filter of chapter 14
	// also checks the architecture, and the flags of clone(2).
	filter := []unix.SockFilter{{Code: load}}
	for _, call := range []uint32{
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT,
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_BPF, unix.SYS_OPEN_BY_HANDLE_AT,
	} {
		filter = append(filter, unix.SockFilter{Code: equal, K: call, Jf: 1},
			unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	filter = append(filter, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW})
	code := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	must("seccomp", unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER,
		uintptr(unsafe.Pointer(&code)), 0, 0))
}

func mount(source, target, kind string, flags uintptr, data string) {
	must("mount on "+target, unix.Mount(source, target, kind, flags, data))
}

// readOnly binds a file or a directory on a name, so that it can only be read there.
func readOnly(source, target string) {
	mount(source, target, "", unix.MS_BIND, "")
	must("make "+target+" read-only", unix.MountSetattr(unix.AT_FDCWD, target, 0,
		&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}))
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "mycontainer:", what+":", err)
		os.Exit(125)
	}
}
