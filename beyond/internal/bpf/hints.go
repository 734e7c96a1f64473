//go:build linux

package bpf

import (
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
)

var noFilters = cause.Cause{
	ID: "kernel-seccomp", Command: "grep Seccomp /proc/self/status",
	Text: "this kernel was built without seccomp filters; with them, this prints a line",
}

// Hints are the failures of the option --seccomp.
var Hints = []common.Hint{
	{Operations: "seccomp", Errno: unix.EINVAL, Cause: noFilters},
	{Operations: "seccomp", Errno: unix.ENOSYS, Cause: noFilters},
}
