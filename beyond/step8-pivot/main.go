//go:build linux

// Step8-pivot runs a command in new PID and MNT namespaces, below a root of its own.
//
// Usage:
//
//	step8-pivot [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-r, --root dir           make dir the top of all mounts
//
// New in this step: pivot_root(2). The child's list of mounts begins at dir, and no mount
// of the host is left in it. Nothing lies above dir, so neither .. nor chroot(2) leads
// out.
package main

import (
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/rootfs"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step8-pivot",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{Name: "r", Aliases: []string{"root"}, Action: rootfs.CheckRoot,
				Usage: "make `dir` the top of all mounts"},
		},
	}, parent, child, rootfs.Hints...)
}

// parent clones the child into the namespaces asked for, and waits for it.
func parent(c *cli.Context) error {
	var flags uintptr
	if c.Bool("pid") {
		// The child is PID 1 of the new namespace. The parent stays in its own.
		flags |= unix.CLONE_NEWPID
	}
	if c.Bool("mnt") {
		// The child gets a copy of the list of mounts.
		flags |= unix.CLONE_NEWNS
	}

	process, err := common.Start(c, flags)
	if err != nil {
		return err
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// child runs in the new namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	if c.Bool("mnt") {
		// systemd makes all mounts shared, so a mount that root makes here would appear
		// on the host too. A private mount stays here (mount_namespaces(7)).
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return common.Failed("make mounts private below", "/", err)
		}
		common.Childf(c, "made all mounts private")
	}
	if c.IsSet("root") {
		if err := pivot(c, c.String("root")); err != nil {
			return err
		}
	}
	if c.Bool("pid") && c.Bool("mnt") {
		proc, err := rootfs.Proc(c) // the new root may have none yet, or a link
		if err != nil {
			return err
		}
		// ps reads /proc, and a proc shows the PID namespace of the process that mounts it.
		const mountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		if err := unix.Mount("proc", proc, "proc", mountFlags, ""); err != nil {
			return common.Failed("mount proc on", "/proc", err)
		}
		common.Childf(c, "mounted a new proc on /proc")
	}
	if c.IsSet("root") {
		if err := leave(c); err != nil {
			return err
		}
	}
	return common.Exec(c)
}

// pivot makes dir the root directory and the top of all mounts. The old root lies over it
// until leave, and is the working directory.
func pivot(c *cli.Context, dir string) error {
	old, err := os.OpenFile("/", unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	if dir, err = rootfs.Name(dir); err != nil {
		return err
	}
	// The top must be a mount, so dir is mounted on itself. MS_REC takes the mounts below
	// along: a USER namespace may not leave them out.
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return common.Failed("bind mount", dir, err)
	}
	// The second name is the place for the old root. This one needs no further directory.
	if err := unix.PivotRoot(dir, dir); err != nil {
		return common.Failed("pivot_root", dir, err)
	}
	common.Childf(c, "made %s the top of all mounts", dir)
	return old.Chdir()
}

// leave unmounts the old root, now though it is in use (MNT_DETACH). A USER namespace may
// mount a proc only while it sees another, so that comes first (mount_namespaces(7)).
func leave(c *cli.Context) error {
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return common.Failed("unmount", "the old root", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return common.Failed("chdir", "/", err)
	}
	common.Childf(c, "unmounted the old root")
	return nil
}
