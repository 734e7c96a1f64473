//go:build linux

package target

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

const look = "look at the namespaces of"

var thread = cause.Cause{
	ID: "thread", Command: "grep Tgid /proc/OBJECT/status",
	Text: "that is the number of a thread; the PID of its process is Tgid here",
}

// Hints are the failures of a program that joins namespaces.
var Hints = []common.Hint{
	{Operations: "pidfd_open|setns|" + look, Errno: unix.ESRCH, Cause: cause.Cause{
		ID: "ended", Command: "ps -e",
		Text: "your PID namespace has no such process, or it has ended; to see the " +
			"processes",
	}},
	{Operations: "pidfd_open", Errno: unix.EINVAL, Cause: thread},
	{Operations: "pidfd_open", Errno: unix.ENOENT, Cause: thread}, // since Linux 6.15
	{Operations: look, Errno: unix.EACCES, When: plain, Cause: cause.Cause{
		ID: "other-user", Command: "sudo SELF",
		Text: "the process belongs to another user, or has more privileges than you; be root",
	}},
	{Operations: look, Errno: unix.EACCES, When: inUser, Cause: cause.Cause{
		ID: "outer-user",
		Text: "the process is outside of this USER namespace, where its root has no power; " +
			"join it from outside",
	}},
	{Operations: look, Errno: unix.EACCES, When: noPtrace, Cause: cause.Cause{
		ID: "ptrace", Command: "grep CapEff /proc/$$/status",
		Text: "root lacks CAP_SYS_PTRACE (bit 19) here, and the process has more " +
			"capabilities; to see what you have",
		Or: "in a Docker container: docker run --cap-add SYS_PTRACE",
	}},
	{Operations: look, Errno: unix.EACCES, Cause: cause.Cause{
		ID: "ptrace-module", Command: "SUDOdmesg | grep -iE 'apparmor|avc'",
		Text: "a security module such as AppArmor or SELinux forbids it; to see more",
	}},
	{Operations: "setns", Errno: unix.EPERM, When: inCopy, Make: withoutUser},
	{Operations: "setns", Errno: unix.EPERM, When: noRoot, Make: withUser},
	{Operations: "clone", Errno: unix.ENOMEM, Cause: cause.Cause{
		ID: "init-ended",
		Text: "not the memory: PID 1 of that PID namespace has ended, " +
			"so no process can start in it",
	}},
}

func plain(f *cause.Facts, _ string) bool  { return f.UID != 0 }
func inUser(f *cause.Facts, _ string) bool { return f.UserNS }
func noRoot(f *cause.Facts, _ string) bool { return f.UID != 0 || f.UserNS }
func inCopy(*cause.Facts, string) bool     { return os.Getenv(copied) != "" }

func noPtrace(*cause.Facts, string) bool {
	return !linux.HasCapability(unix.CAP_SYS_PTRACE)
}

// withUser is the command line with the option --user.
func withUser(f *cause.Facts, _ string) cause.Cause {
	words := append([]string{f.Args[0], "-U"}, f.Args[1:]...)
	return cause.Cause{
		ID: "owner", Text: "the USER namespace that owns it must be joined too",
		Command: cmdline.QuoteAll(words),
	}
}

// withoutUser is a command line for the other namespaces of the target, which the object
// names last.
func withoutUser(f *cause.Facts, object string) cause.Cause {
	pid := object[strings.LastIndexByte(object, ' ')+1:]
	return cause.Cause{
		ID: "not-owner",
		Text: "the USER namespace that was joined doesn't own it, or has no user 0; " +
			"join the others",
		Command: cmdline.Quote(f.Args[0]) + " -pmuniC -t " + pid + " sh",
	}
}
