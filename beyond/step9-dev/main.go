//go:build linux

// Step9-dev runs a command in new PID and MNT namespaces, below a root with devices.
//
// Usage:
//
//	step9-dev [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-r, --root dir           make dir the top of all mounts
//	-d, --dev                mount a new /dev, /run, /tmp
//
// New in this step: what programs expect in a root file system beside files. The devices
// are the host's, bind mounted: root of a USER namespace can't make devices (mknod(2)).
package main

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/rootfs"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step9-dev",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{Name: "r", Aliases: []string{"root"}, Action: rootfs.CheckRoot,
				Usage: "make `dir` the top of all mounts"},
			&cli.BoolFlag{Name: "d", Aliases: []string{"dev"},
				Action: rootfs.NeedsRoot("--dev"), Usage: "mount a new /dev, /run, /tmp"},
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
	if c.Bool("dev") {
		if err := furnish(c); err != nil {
			return err
		}
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

// furnish mounts what programs expect. The working directory still is the old root.
func furnish(c *cli.Context) error {
	type mount struct {
		kind, target string
		flags        uintptr
		data         string
	}
	mounts := []mount{
		{"tmpfs", "/dev", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		// A devpts holds pseudo-terminals, and each mount has its own (pts(4)).
		{"devpts", "/dev/pts", unix.MS_NOSUID, "ptmxmode=666,mode=620" + rootfs.TTYGroup()},
		{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, ""},
		{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, ""},
	}
	if rootfs.NewNet() {
		// A sysfs shows the NET namespace of the process that mounts it.
		mounts = append(mounts, mount{"sysfs", "/sys", unix.MS_NOSUID | unix.MS_RDONLY, ""})
	}
	for _, m := range mounts {
		place, err := rootfs.Place(m.target)
		if err != nil {
			return err
		}
		if err := unix.Mount(m.kind, place, m.kind, m.flags, m.data); err != nil {
			return common.Failed("mount", m.kind+" on "+m.target, err)
		}
		common.Childf(c, "mounted a new %s on %s", m.kind, m.target)
	}
	devices, err := rootfs.Devices() // null, zero and so on, and a file to mount each on
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := device(d.Source, d.Target); err != nil {
			return err
		}
	}
	return rootfs.ForbidNodes() // the image's, and those that root makes
}

// device mounts a device of the host on a file. Data pass through a read-only mount, but
// chmod(1) fails there. It would change the host's device.
func device(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return common.Failed("bind mount", source, err)
	}
	err := unix.MountSetattr(unix.AT_FDCWD, target, 0,
		&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.12
		err = rootfs.Remount(target, unix.MS_RDONLY)
	}
	if err != nil {
		return common.Failed("make read-only", source, err)
	}
	return nil
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
