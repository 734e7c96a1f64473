//go:build linux

package main

import (
	"os"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/rootfs"
	"nsteps/common"
)

// private keeps the mounts of the container from the host.
func private(c *cli.Context) error {
	// systemd makes all mounts shared, so a mount that root makes here would appear
	// on the host too. A private mount stays here (mount_namespaces(7)).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return common.Failed("make mounts private below", "/", err)
	}
	common.Childf(c, "made all mounts private")
	return nil
}

// proc mounts a new proc.
func proc(c *cli.Context) error {
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
	return nil
}

// hostname sets the hostname.
func hostname(c *cli.Context) error {
	if err := unix.Sethostname([]byte(c.String("uts"))); err != nil {
		return common.Failed("sethostname", c.String("uts"), err)
	}
	common.Childf(c, "set the hostname to %s", c.String("uts"))
	return nil
}

// cgroupRoot makes a CGROUP namespace.
func cgroupRoot(c *cli.Context) error {
	// The root of a CGROUP namespace is the cgroup that its maker is in, and at clone(2)
	// that is the parent's. A namespace belongs to a thread: Exec needs the same one.
	runtime.LockOSThread()
	before, _ := os.Readlink("/proc/thread-self/ns/cgroup")
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return common.Failed("unshare", "CLONE_NEWCGROUP", err)
	}
	after, _ := os.Readlink("/proc/thread-self/ns/cgroup")
	common.Childf(c, "%s -> %s", before, after)
	return nil
}
