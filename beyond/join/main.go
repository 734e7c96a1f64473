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
//	-v, --verbose            print what parent and child do
//	-t, --target PID         PID of the process whose namespaces to join
//	-p, --pid                join its PID namespace
//	-m, --mnt                join its MNT namespace, and take its root directory
//	-u, --uts                join its UTS namespace
//	-n, --net                join its NET namespace
//	-i, --ipc                join its IPC namespace
//	-U, --user               join its USER namespace
//	-C, --cgroup             join its CGROUP namespace
//	-T, --time               join its TIME namespace
//
// New in this program: pidfd_open(2) and setns(2). setns makes no namespace. It puts its
// caller into one that exists. Without a letter for a namespace, join joins all of them.
package main

import (
	"runtime"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/target"
	"nsteps/common"
)

// A namespace belongs to a thread. The main thread joins, clones, and is /proc/self.
func init() { runtime.LockOSThread() }

func main() {
	common.Main(&cli.App{
		Name: "join", Usage: "run a command in the namespaces of a running process",
		Flags: target.Options(),
	}, parent, child, target.Hints...)
}

// parent joins the namespaces, clones the child in there, and waits for it.
func parent(c *cli.Context) error {
	t, err := target.New(c)
	if err != nil {
		return err
	}
	if !t.IsOpen() {
		// The pidfd means the target, even when another process has got its PID.
		pidfd, err := unix.PidfdOpen(t.PID, 0)
		if err != nil {
			return common.Failed("pidfd_open", strconv.Itoa(t.PID), err)
		}
		t.Bequeath(pidfd)
	}
	flags, err := t.Namespaces(c)
	if err != nil {
		return err
	}
	if flags&(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME) != 0 {
		// Only a process of one thread may join these. A Go program has several, so a copy
		// of this process joins them. It executes this program again, which joins the rest.
		return t.Fork(c, flags&^(unix.CLONE_NEWPID|unix.CLONE_NEWNS))
	}
	// The child joins the MNT namespace, because /proc/self/exe may be missing there. A
	// PID namespace is for the children to come: this process stays in its own.
	if flags &^= unix.CLONE_NEWNS; flags != 0 {
		if err := unix.Setns(t.PIDFD, int(flags)); err != nil {
			return common.Failed("setns", t.Names(flags), err)
		}
		common.Parentf(c, "joined %s", t.Names(flags))
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
	t, err := target.New(c)
	if err != nil {
		return err
	}
	flags, err := t.Namespaces(c)
	if err == nil && flags&unix.CLONE_NEWNS != 0 {
		err = enterMounts(c, t)
	}
	if err != nil {
		return err
	}
	t.Close()
	return common.Exec(c)
}

// enterMounts joins the MNT namespace and takes the target's root directory, which in a
// jail is not the root of the mounts.
func enterMounts(c *cli.Context, t *target.Target) error {
	root, err := t.Dir("root")
	if err != nil {
		return err
	}
	// The threads of a process share its root and its working directory. setns(2) changes
	// both, and refuses that until this thread has its own.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return common.Failed("unshare", "CLONE_FS", err)
	}
	if err := unix.Setns(t.PIDFD, unix.CLONE_NEWNS); err != nil {
		return common.Failed("setns", t.Names(unix.CLONE_NEWNS), err)
	}
	if err := unix.Fchdir(root); err != nil {
		return common.Failed("fchdir", "root", err)
	}
	if err := unix.Chroot("."); err != nil {
		return common.Failed("chroot", ".", err)
	}
	common.Childf(c, "joined %s, with its root directory", t.Names(unix.CLONE_NEWNS))
	return nil
}
