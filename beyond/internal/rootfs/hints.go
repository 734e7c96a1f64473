//go:build linux

package rootfs

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// Hints are the failures of a program with the option --root.
var Hints = []common.Hint{
	{Operations: "open|chdir", Errno: unix.ENOENT, Cause: cause.Cause{
		ID: "no-root", Text: "make a root file system", Command: "FILL",
		Or: "or a larger one, in the directory of the sources: make rootfs DIR=OBJECT",
	}},
	{Operations: "open|chdir", Errno: unix.ENOTDIR, Cause: cause.Cause{
		ID: "no-directory", Text: "-r takes a directory", Command: "PROGRAM -pmr img sh",
	}},
	{Operations: "open|chdir", Errno: unix.EACCES, When: mappedRoot, Cause: cause.Cause{
		ID: "unmapped-owner", Command: "namei -l OBJECT",
		Text: "root of a USER namespace may not enter a directory of a user whose ID " +
			"isn't mapped here; to see the owners",
		Or: "or leave out sudo, if the directory is yours",
	}},
	{Operations: "open|chdir", Errno: unix.EACCES, Cause: cause.Cause{
		ID: "way", Text: "you may not enter a directory on the way",
		Command: "namei -l OBJECT",
	}},
	{Operations: "mkdir", Errno: unix.EEXIST, Cause: noPlace},
	{Operations: "mkdir", Errno: unix.ENOTDIR, Cause: noPlace},
	{Operations: "mkdir", Errno: unix.ELOOP, Cause: noPlace},
	{Operations: "pivot_root", Errno: unix.EINVAL, When: onInitramfs, Make: initramfs},
	{Operations: "pivot_root", Errno: unix.EBUSY, Make: overlay},
	{Operations: "pivot_root", Errno: unix.EINVAL, When: mappedRoot, Make: overlay},
	{Operations: "bind mount", Errno: unix.ENOENT, Cause: cause.Cause{
		ID: "no-device", Command: "step9-dev -pmdr OUTER sh",
		Text: "the outer root file system has no such device; mount its devices too",
	}},
	{Operations: "exec", Errno: unix.EACCES, When: onNoexec, Cause: cause.Cause{
		ID: "noexec", Text: "the root file system is on a mount with the option noexec",
		Command: "findmnt -T JAIL",
	}},
	{Operations: "mkdir", Errno: unix.EOVERFLOW, Cause: cause.Cause{
		ID: "no-id", Command: "exit",
		Text: "your user has no ID in this USER namespace, so it can't own a file; leave " +
			"the namespace, and make one with a map, as step7-user -U root does",
	}},
}

// noPlace: a file or a link is where a directory must be, to mount something on it.
var noPlace = cause.Cause{
	ID: "no-place", Command: "ls -ld JAILOBJECT",
	Text: "in the root file system this is a file, or a link that leads to no directory " +
		"there; to see it",
}

// mappedRoot: this is root, but not of the machine.
func mappedRoot(f *cause.Facts, _ string) bool { return f.UserNS && f.UID == 0 }

// overlay answers that the top of all mounts can't become the top.
func overlay(f *cause.Facts, _ string) cause.Cause {
	return cause.Cause{
		ID:      "top",
		Text:    "it is the top already; root of the machine can use an overlay of it",
		Command: f.Sudo() + sibling(f, "step10-overlay") + " -pmor / sh",
	}
}

// initramfs answers that pivot_root(2) doesn't move the initial RAM file system.
func initramfs(f *cause.Facts, dir string) cause.Cause {
	return cause.Cause{
		ID:      "initramfs",
		Text:    "this machine runs from its initramfs, which can't be moved; use chroot(2)",
		Command: f.Sudo() + sibling(f, "step6-chroot") + " -pmc " + cmdline.Quote(dir) + " sh",
	}
}

// sibling returns the command for another program of this suite.
func sibling(f *cause.Facts, program string) string {
	if strings.Contains(f.Args[0], "/") {
		program = filepath.Join(filepath.Dir(f.Args[0]), program)
	}
	return cmdline.Quote(program)
}

// onInitramfs reports whether the root directory is the initial RAM file system.
func onInitramfs(*cause.Facts, string) bool {
	return isInitramfs(cause.Root{}.Read("/proc/self/mountinfo"))
}

func isInitramfs(mountinfo string) bool {
	for _, m := range linux.ParseMounts(mountinfo) {
		if m.Point == "/" {
			return m.Type == "rootfs"
		}
	}
	return false
}

// onNoexec reports whether nothing in the root directory can be executed.
func onNoexec(f *cause.Facts, _ string) bool {
	var fs unix.Statfs_t
	return f.Jail != "" && unix.Statfs("/", &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
