//go:build linux

package target

import (
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/again"
	"nsteps/common"
	"nsteps/internal/linux"
)

// copied is set for a program that Fork has executed.
const copied = "NSTEPS_COPY"

// Fork executes this program again, with the same arguments, in namespaces of the target,
// and waits for its end. The copy that fork(2) makes has one thread, and setns(2) refuses
// USER and TIME namespaces to a process with more. In the USER namespace it is root.
// One call joins all of the namespaces: the caller's privileges count for each, and those
// in the USER namespace too.
func (t *Target) Fork(c *cli.Context, flags uintptr) error {
	os.Setenv(copied, "1")
	process := linux.Reexec{
		Enter: []int{t.PIDFD}, Process: flags, Root: flags&unix.CLONE_NEWUSER != 0,
	}
	return again.Run(c, process, "joined "+t.Names(flags),
		func(operation string, err error) error { return t.refused(operation, flags, err) })
}

// refused returns the error of a copy that didn't get to execve(2).
func (t *Target) refused(operation string, flags uintptr, err error) error {
	switch operation {
	case "setns":
		return common.Failed("setns", t.Names(flags), err)
	case "clone":
		return common.Failed("clone", "copy", err)
	}
	return common.Failed("re-execute", "/proc/self/exe", err)
}
