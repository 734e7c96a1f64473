//go:build linux

package target

import (
	"os"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cmdline"
	"nsteps/internal/job"
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
	again := linux.Reexec{
		Enter: []int{t.PIDFD}, Process: flags,
		Stdout: 1, Root: flags&unix.CLONE_NEWUSER != 0, Signals: true,
	}
	// The copy does for the command what a step does, and this process for the copy.
	j := job.New(c.App.Name, func() bool { return true })
	pid, operation, err := again.Start(os.Args[1:]...)
	if err != nil {
		return t.refused(operation, flags, err)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return common.Failed("pidfd_open", strconv.Itoa(pid), err)
	}
	common.Parentf(c, "joined %s in a copy, PID %d", t.Names(flags), pid)
	j.Begin(pid, pidfd, false)
	job.CatchStops()
	ws, err := j.Wait()
	switch {
	case err != nil:
		return common.Failed("wait for child", strconv.Itoa(pid), err)
	case ws.Signaled():
		return cmdline.Status(128 + int(ws.Signal()))
	case ws.ExitStatus() != 0:
		return cmdline.Status(ws.ExitStatus())
	}
	return nil
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
