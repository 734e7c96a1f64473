//go:build linux

package main

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/rootfs"
	"nsteps/common"
)

// overlay mounts an overlay of the image, and returns its directory.
func overlay(c *cli.Context, image string) (dir string, err error) {
	if err := unix.Chdir(image); err != nil { // it may be below /tmp, which is hidden now
		return "", common.Failed("chdir", image, err)
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=755"); err != nil {
		return "", common.Failed("mount tmpfs on", "/tmp", err)
	}
	if err := rootfs.Layers("/tmp/upper", "/tmp/work", "/tmp/root"); err != nil {
		return "", err
	}
	// upperdir holds what is new, and a mark for each deleted file. The kernel prepares
	// entries of upperdir in workdir.
	layers := "lowerdir=.,upperdir=/tmp/upper,workdir=/tmp/work" + rootfs.Xattrs(c)
	if err := unix.Mount("overlay", "/tmp/root", "overlay", 0, layers); err != nil {
		return "", common.Failed("mount overlay of", image, err)
	}
	common.Childf(c, "mounted an overlay of %s", image)
	return "/tmp/root", nil
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
