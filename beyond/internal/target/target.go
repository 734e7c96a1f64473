//go:build linux

// Package target is what join needs beside its lesson: the process whose namespaces it
// joins, and a fork of one thread.
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

// variable has the number of the pidfd, for this program when it is executed again.
const variable = "NSTEPS_TARGET"

// A Target is a process whose namespaces are joined. Its pidfd stays the same process
// even if another process gets the PID (pidfd_open(2)).
type Target struct {
	PID   int
	PIDFD int
}

// Open returns the target that the option --target names, or the one that this program
// has opened before it was executed again.
func Open(c *cli.Context) (t Target, err error) {
	t.PID = c.Int("target")
	if t.PID <= 0 {
		return t, cmdline.Usagef("--target takes the PID of a process")
	}
	if t.PIDFD, err = strconv.Atoi(os.Getenv(variable)); err == nil {
		return t, nil
	}
	if t.PIDFD, err = unix.PidfdOpen(t.PID, 0); err != nil {
		return t, common.Failed("pidfd_open", strconv.Itoa(t.PID), err)
	}
	if _, err := unix.FcntlInt(uintptr(t.PIDFD), unix.F_SETFD, 0); err != nil {
		return t, common.Failed("fcntl", "pidfd", err)
	}
	return t, os.Setenv(variable, strconv.Itoa(t.PIDFD))
}

// Close closes the pidfd when the command is executed.
func (t Target) Close() { unix.CloseOnExec(t.PIDFD) }

// Differing returns the flags of the target's namespaces that this process is not in.
func (t Target) Differing() (flags uintptr, err error) {
	for _, kind := range linux.Kinds {
		ours, err := os.Readlink("/proc/self/ns/" + kind.File)
		if os.IsNotExist(err) {
			continue // this kernel has no such namespaces
		}
		theirs, err := os.Readlink(linux.ProcOf(t.PIDFD, "ns/"+kind.File))
		if err != nil {
			return 0, common.Failed("look at the namespaces of", strconv.Itoa(t.PID), errno(err))
		}
		if ours != theirs {
			flags |= kind.Flag
		}
	}
	return flags, nil
}

func errno(err error) error {
	if path, ok := err.(*os.PathError); ok {
		return path.Err
	}
	return err
}

// Fork executes this program again, with the same arguments, in namespaces of the target,
// and waits for its end. The copy that fork(2) makes has one thread, and setns(2) refuses
// USER and TIME namespaces to a process with more. In the USER namespace the copy is root.
func Fork(c *cli.Context, t Target, flags uintptr) error {
	again := linux.Reexec{Stdout: 1, Root: flags&unix.CLONE_NEWUSER != 0, Signals: true}
	for _, kind := range linux.Kinds {
		if flags&kind.Flag == 0 {
			continue
		}
		fd, err := unix.Open(linux.ProcOf(t.PIDFD, "ns/"+kind.File),
			unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return common.Failed("open the "+kind.File+" namespace of",
				strconv.Itoa(t.PID), err)
		}
		defer unix.Close(fd)
		again.Enter = append(again.Enter, fd)
	}
	j := job.New(c.App.Name, func() bool { return true })
	pid, operation, err := again.Start(os.Args[1:]...)
	if err != nil {
		return common.Failed(operation, Names(t, flags), err)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return common.Failed("pidfd_open", strconv.Itoa(pid), err)
	}
	common.Parentf(c, "joined %s in a copy, PID %d", Names(t, flags), pid)
	j.Begin(pid, pidfd, false)
	job.CatchStops()
	ws, err := j.Wait()
	switch {
	case err != nil:
		return common.Failed("wait for copy", strconv.Itoa(pid), err)
	case ws.Signaled():
		return cmdline.Status(128 + int(ws.Signal()))
	case ws.ExitStatus() != 0:
		return cmdline.Status(ws.ExitStatus())
	}
	return nil
}

// Names returns the names of the flags and the PID, for example "CLONE_NEWNET of 4711".
func Names(t Target, flags uintptr) string {
	return linux.FlagNames(flags) + " of " + strconv.Itoa(t.PID)
}
