//go:build linux

// Beyond is a program that the tests run. It uses the parts of package common that the
// six steps don't use, and programs beyond step 6 do.
package main

import (
	"runtime"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
	"nsteps/internal/linux"
)

// The main thread runs main and nothing else. A TIME namespace, for example, belongs to
// the thread that calls unshare(2), and /proc/self shows that of the main thread.
func init() { runtime.LockOSThread() }

func main() {
	common.Main(&cli.App{
		Name: "beyond",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "a", Usage: "with the ambient capability CAP_SYS_CHROOT"},
			&cli.StringFlag{Name: "g", Usage: "in the cgroup of a `directory`"},
			&cli.BoolFlag{Name: "t", Usage: "new TIME namespace, made before"},
			&cli.BoolFlag{Name: "f", Usage: "fail to set the child up"},
			&cli.BoolFlag{Name: "i", Usage: "fail because of a Ctrl-C"},
		},
	}, parent, common.Exec, cause.Hint{
		Operations: "write map", Errno: unix.EPERM,
		Cause: cause.Cause{ID: "map", Text: "a hint of the program", Command: "SELF"},
	})
}

func parent(c *cli.Context) error {
	var flags uintptr
	if c.Bool("p") {
		flags |= unix.CLONE_NEWPID
	}
	if c.Bool("t") {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return common.Failed("unshare", "CLONE_NEWTIME", err)
		}
	}
	var more []func(*syscall.SysProcAttr)
	if c.Bool("a") {
		more = append(more, func(sys *syscall.SysProcAttr) {
			sys.AmbientCaps = []uintptr{unix.CAP_SYS_CHROOT}
		})
	}
	if dir := c.String("g"); dir != "" {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return common.Failed("open", dir, err)
		}
		defer unix.Close(fd)
		more = append(more, func(sys *syscall.SysProcAttr) {
			sys.UseCgroupFD, sys.CgroupFD = true, fd
		})
	}
	process, err := common.Start(c, flags, more...)
	if err != nil {
		return err
	}
	if c.Bool("i") {
		_ = unix.Kill(unix.Getpid(), unix.SIGINT)
		for p, ok := linux.Stat(process.PID()); ok && !p.Zombie; {
			p, ok = linux.Stat(process.PID())
		}
	}
	if c.Bool("f") || c.Bool("i") {
		uids := process.Proc("uid_map")
		return process.Abort(common.Failed("write map", uids, unix.EPERM))
	}
	process.Release()
	return process.Wait()
}
