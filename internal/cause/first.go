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
