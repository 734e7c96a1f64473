//go:build linux

package cause

import (
	"strings"

	"golang.org/x/sys/unix"
)

// first are causes that come before a program's own hints: whatever the operation is for,
// it fails for these.
var first = []Hint{
	{"re-execute", unix.ENOENT, nil, Cause{}, mountProc},
	{"open|stat", unix.ENOENT, withoutProc, Cause{}, mountProc},
	{"open", unix.EROFS, inProc, Cause{
		"proc-read-only", "/proc is mounted read-only; to be able to write to it",
		"SUDOmount -o remount,rw /proc", "",
	}, nil},
	{"mq_open", unix.EMFILE, aFreeDescriptor, Cause{}, queueBytes},
	{"", unix.EMFILE, nil, Cause{
		"files", "the limit RLIMIT_NOFILE allows only FILES open files",
		"SUDOprlimit --pid $$ --nofile=1024", "",
	}, nil},
	// What was taken away from this process, and what it has never had.
	{"", unix.EPERM, ownFilter, Cause{
		"own-filter", "the seccomp filter that this program has just installed forbids it",
		"", "",
	}, nil},
	{privileged, unix.EPERM, belowFilter, Cause{}, leaveFilter},
	{privileged, unix.EPERM, belowLimit, Cause{}, leaveLimit},
	{privileged, unix.EPERM, unmapped, isUnmapped, nil},
	{
		"clone|make cgroup|enable controller in|look at the namespaces of", unix.EACCES,
		unmapped, isUnmapped, nil,
	},
}

// privileged are the operations that make or join namespaces, and the others that fail in
// a program that makes none.
const privileged = "clone|unshare|setns|chroot|drop capability"

var isUnmapped = Cause{
	"unmapped", "your own ID isn't mapped in this user namespace, so you can't make " +
		"namespaces in it, or be root (see user_namespaces(7)); leave it", "exit", "",
}

func ownFilter(f *Facts, _ string) bool   { return f.OwnFilter }
func belowFilter(f *Facts, _ string) bool { return f.Seccomp && filters[f.Below] }

// belowLimit: step13-caps and others leave root without the capability. A user namespace
// doesn't need it.
func belowLimit(f *Facts, object string) bool {
	return f.Below != "" && f.Bounded && !f.SysAdmin && !newUser(f, object)
}

// unmapped: such a process has no capabilities, unless it has made the namespace, and may
// make no user namespace.
func unmapped(f *Facts, object string) bool {
	return f.Unmapped && (!f.SysAdmin || newUser(f, object))
}

// filters are the programs of this suite that install a seccomp filter.
var filters = map[string]bool{"container": true, "step14-seccomp": true}

// leaveFilter and leaveLimit answer for what a program did, in whose shell this one was
// typed.
func leaveFilter(f *Facts, _ string) Cause {
	return Cause{
		ID: "below", Text: "the seccomp filter of " + f.Below + " forbids it; type the " +
			"command outside of " + f.Below,
	}
}

func leaveLimit(f *Facts, _ string) Cause {
	return Cause{
		ID: "below", Text: f.Below + " has taken CAP_SYS_ADMIN away; type the command " +
			"outside of " + f.Below,
	}
}

func inProc(_ *Facts, object string) bool { return strings.HasPrefix(object, "/proc/") }

func withoutProc(f *Facts, object string) bool { return f.NoProc && inProc(f, object) }

// mountProc answers for a file of /proc. A jail may lack the directory too.
func mountProc(f *Facts, _ string) Cause {
	c := Cause{
		ID: "no-proc", Text: "/proc is not mounted, and the program needs it",
		Command: f.Sudo() + "mount -t proc proc /proc",
	}
	if !exists("/proc") {
		c.Command = f.Sudo() + "mkdir /proc; " + c.Command
	}
	return c
}

// aFreeDescriptor: the limit of open files isn't the reason.
func aFreeDescriptor(*Facts, string) bool {
	fd, err := unix.Dup(0)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.EMFILE
}
