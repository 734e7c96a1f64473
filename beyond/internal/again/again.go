//go:build linux

// Package again executes a program again in a copy of its process that has one thread.
// The kernel lets such a copy into namespaces that a thread of a Go program can't enter.
package again

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

// Run executes this program again, with the same arguments, and waits for its end. It
// returns the program's status as an error, as Child.Wait of package common does. What
// the copy has done stands in the lines of -v. Refused makes the error of a copy that
// didn't come to execve(2), from what failed there.
func Run(c *cli.Context, copied linux.Reexec, done string,
	refused func(operation string, err error) error,
) error {
	copied.Stdout, copied.Signals = 1, true
	// The copy does for the command what a step does, and this process for the copy.
	j := job.New(c.App.Name, func() bool { return true })
	pid, operation, err := copied.Start(os.Args[1:]...)
	if err != nil {
		return refused(operation, err)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return common.Failed("pidfd_open", strconv.Itoa(pid), err)
	}
	common.Parentf(c, "%s in a copy, PID %d", done, pid)
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
