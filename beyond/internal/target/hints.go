//go:build linux

package target

import (
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
)

// Hints are the failures of a program that joins namespaces.
var Hints = []common.Hint{
	{Operations: "pidfd_open|look at the namespaces of|setns", Errno: unix.ESRCH,
		Cause: cause.Cause{
			ID: "ended", Command: "workshop ns",
			Text: "there is no such process, or it has ended; to see the processes",
		}},
	{Operations: "pidfd_open", Errno: unix.EINVAL, Cause: cause.Cause{
		ID: "thread", Command: "grep Tgid /proc/OBJECT/status",
		Text: "that is the number of a thread; the PID of its process is",
	}},
	{Operations: "pidfd_open", Errno: unix.ENOENT, Cause: cause.Cause{
		ID: "thread", Command: "grep Tgid /proc/OBJECT/status",
		Text: "that is the number of a thread; the PID of its process is",
	}},
	{Operations: "look at the namespaces of", Errno: unix.EACCES, Cause: cause.Cause{
		ID: "other-user", Command: "sudo SELF",
		Text: "the process belongs to another user, or has more privileges than you; be root",
	}},
	{Operations: "setns", Errno: unix.EINVAL, Cause: cause.Cause{
		ID: "outer-pid", Command: "",
		Text: "a PID namespace above one's own can't be joined (see setns(2))",
	}},
	{Operations: "clone", Errno: unix.ENOMEM, Cause: cause.Cause{
		ID: "init-ended", Command: "",
		Text: "PID 1 of that PID namespace has ended, so no process can start in it",
	}},
}
