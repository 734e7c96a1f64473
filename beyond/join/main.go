//go:build linux

// Join runs a command in the namespaces of a running process.
//
// Usage:
//
//	join [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            say what parent and child do
//	-t, --target PID         process whose namespaces to join
//	-p, --pid                join its PID namespace
//	-m, --mnt                join its MNT namespace, with its root directory
//	-u, --uts                join its UTS namespace
//	-n, --net                join its NET namespace
//	-i, --ipc                join its IPC namespace
//	-U, --user               join its USER namespace
//	-C, --cgroup             join its CGROUP namespace
//	-T, --time               join its TIME namespace
//
// New in this program: setns(2). It makes no namespace, and puts its caller into one that
// exists. Without a letter for a namespace, join joins all that differ.
package main

import (
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/target"
	"nsteps/common"
	"nsteps/internal/linux"
)

// A namespace belongs to a thread. The main thread joins, clones, and is /proc/self.
func init() { runtime.LockOSThread() }

func main() {
	common.Main(&cli.App{
		Name: "join",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "t", Aliases: []string{"target"},
				Usage: "process whose namespaces to join `PID`"},
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "join its PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"},
				Usage: "join its MNT namespace, with its root directory"},
			&cli.BoolFlag{Name: "u", Aliases: []string{"uts"}, Usage: "join its UTS namespace"},
			&cli.BoolFlag{Name: "n", Aliases: []string{"net"}, Usage: "join its NET namespace"},
			&cli.BoolFlag{Name: "i", Aliases: []string{"ipc"}, Usage: "join its IPC namespace"},
			&cli.BoolFlag{Name: "U", Aliases: []string{"user"}, Usage: "join its USER namespace"},
			&cli.BoolFlag{Name: "C", Aliases: []string{"cgroup"},
				Usage: "join its CGROUP namespace"},
			&cli.BoolFlag{Name: "T", Aliases: []string{"time"}, Usage: "join its TIME namespace"},
		},
	}, parent, child, target.Hints...)
}

// chosen returns the flags of the namespaces to join. A namespace that this process is in
// already is left out, because setns(2) would need a privilege for it too.
func chosen(c *cli.Context, t target.Target) (flags uintptr, err error) {
	for _, kind := range linux.Kinds {
		if c.Bool(kind.File) {
			flags |= kind.Flag
		}
	}
	differing, err := t.Differing()
	if flags == 0 {
		return differing, err
	}
	return flags & differing, err
}

// parent joins the namespaces, clones the child in there, and waits for it.
func parent(c *cli.Context) error {
	t, err := target.Open(c)
	if err != nil {
		return err
	}
	flags, err := chosen(c, t)
	if err != nil {
		return err
	}
	if alone := flags & (unix.CLONE_NEWUSER | unix.CLONE_NEWTIME); alone != 0 {
		// Only a process of one thread may join these. A Go program has several.
		return target.Fork(c, t, alone)
	}
	// The child joins the MNT namespace, because /proc/self/exe may be missing there. This
	// thread's own PID namespace stays: setns(2) is for the children to come.
	if flags &^= unix.CLONE_NEWNS; flags != 0 {
		if err := unix.Setns(t.PIDFD, int(flags)); err != nil {
			return common.Failed("setns", target.Names(t, flags), err)
		}
		common.Parentf(c, "joined %s", target.Names(t, flags))
	}

	process, err := common.Start(c, 0)
	if err != nil {
		return err
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// child runs in the namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	t, err := target.Open(c)
	if err != nil {
		return err
	}
	flags, err := chosen(c, t)
	if err != nil {
		return err
	}
	if flags&unix.CLONE_NEWNS != 0 {
		if err := enterMounts(c, t); err != nil {
			return err
		}
	}
	t.Close()
	return common.Exec(c)
}

// enterMounts joins the MNT namespace and takes the target's root directory.
func enterMounts(c *cli.Context, t target.Target) error {
	file := linux.ProcOf(t.PIDFD, "root")
	root, err := unix.Open(file, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return common.Failed("open", file, err)
	}
	// setns(2) changes the root and the working directory, which threads share. It
	// refuses that until this thread has its own (unshare(2)).
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return common.Failed("unshare", "CLONE_FS", err)
	}
	if err := unix.Setns(t.PIDFD, unix.CLONE_NEWNS); err != nil {
		return common.Failed("setns", target.Names(t, unix.CLONE_NEWNS), err)
	}
	// The root of a target in a jail is not the root of its mounts.
	if err := unix.Fchdir(root); err != nil {
		return common.Failed("fchdir", file, err)
	}
	if err := unix.Chroot("."); err != nil {
		return common.Failed("chroot", file, err)
	}
	common.Childf(c, "joined %s, with its root directory", target.Names(t, unix.CLONE_NEWNS))
	return nil
}
