//go:build linux

package trace

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
	"nsteps/internal/linux"
	"nsteps/workshop/advice"
)

// Facts explain why strace can't trace a command.
type facts struct {
	noProc    bool   // /proc isn't mounted
	sudo      string // as cause.Facts has it
	traced    bool   // this process has a tracer
	old       bool   // strace lacks an option
	scope     string // kernel.yama.ptrace_scope, or ""
	container string // as cause.Facts has it
	again     string // this command as root, up to the traced one
}

func gather(strace string) facts {
	status, _ := os.ReadFile("/proc/self/status")
	tracer := linux.Field(status, "TracerPid:")
	_, err := os.Readlink("/proc/self")
	known := cause.Gather(nil, "", cause.Root{})
	return facts{
		noProc:    err != nil,
		sudo:      known.Sudo(),
		traced:    tracer != "" && tracer != "0",
		old:       exec.Command(strace, "--pidns-translation", "-V").Run() != nil,
		scope:     strings.TrimSpace(cause.Root{}.Read("/proc/sys/kernel/yama/ptrace_scope")),
		container: known.Container,
		again:     advice.Me().AsRoot("workshop", Name),
	}
}

// why returns the cause, and what fixes it. strace has printed the kernel's error.
func why(f facts) string {
	switch {
	case f.noProc:
		return "/proc is not mounted, and strace needs it: " + f.sudo +
			"mount -t proc proc /proc"
	case f.old:
		return "it needs strace 5.9 or newer; to see the version: strace -V"
	case f.traced:
		return "a process has one tracer at most, and this shell has one already; " +
			"use another terminal"
	case f.scope == "3":
		return "kernel.yama.ptrace_scope is 3: no process may trace until the next boot"
	case f.scope == "2":
		return "kernel.yama.ptrace_scope is 2: only root may trace: " + f.again + " CMD"
	case f.container == "docker", f.container == "podman":
		return "a container may forbid ptrace(2); start it with: " +
			f.container + " run --cap-add SYS_PTRACE"
	}
	return "the message of strace says why"
}

// limits returns what fixes that strace can't be started, "" if the error isn't that of a
// limit.
func limits(err error) string {
	for _, errno := range []syscall.Errno{unix.EMFILE, unix.EAGAIN} {
		if errors.Is(err, errno) {
			known := cause.Gather(os.Args, "", cause.Root{})
			return known.Explain("clone", "child", errno).String()
		}
	}
	return ""
}
