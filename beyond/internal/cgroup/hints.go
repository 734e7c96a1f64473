//go:build linux

package cgroup

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
)

// changes are the operations that need a cgroup of one's own. Of the calls of clone(2),
// only those with CLONE_INTO_CGROUP do.
const changes = "make cgroup|enable controller in|clone"

// Hints are the failures of a program with the option --cgroup.
var Hints = []common.Hint{
	{Operations: changes, Errno: unix.EACCES, When: inUser, Cause: cause.Cause{
		ID:      "cgroup-user",
		Text:    "root of this USER namespace doesn't own the cgroup; leave it and type",
		Command: "systemd-run --user --scope unshare --user --map-root-user SELF",
	}},
	{Operations: changes, Errno: unix.EACCES, When: intoCgroup, Cause: cause.Cause{
		ID:      "cgroup-owner",
		Text:    "the cgroup belongs to another user; systemd gives you one of your own",
		Command: "systemd-run --user --scope unshare --user --map-root-user SELF",
		Or:      "or be root: sudo SELF",
	}},
	{Operations: "enable controller in", Errno: unix.EBUSY, Make: busy},
	{Operations: "enable controller in", Make: func(_ *cause.Facts, dir string) cause.Cause {
		return cause.Cause{
			ID: "cgroup-controller",
			Text: "this cgroup can't hand the controller down; to see the controllers that " +
				"it can",
			Command: "cat " + cmdline.Quote(filepath.Join(dir, "cgroup.controllers")),
		}
	}},
	{Operations: "write limit", Errno: unix.ENOENT, Make: noFile},
	{Operations: "write limit", Errno: unix.EINVAL, Cause: cause.Cause{
		ID: "cgroup-value",
		Text: "the file doesn't take this value; the kernel's page cgroup-v2 says which " +
			"it takes, and cgroups(7) where that page is",
	}},
	{Operations: "move the child to", Errno: unix.ENOSPC, Cause: cause.Cause{
		ID: "cgroup-cpuset",
		Text: "in version 1, a cpuset needs two options, for example: " +
			"-g cpuset.cpus=0 -g cpuset.mems=0",
	}},
	{Operations: "unshare", Errno: unix.EINVAL, Cause: cause.Cause{
		ID: "kernel-cgroup", Command: "ls /proc/self/ns",
		Text: "this kernel was built without CGROUP namespaces; to see which it has",
	}},
}

func inUser(f *cause.Facts, object string) bool {
	return f.UserNS && f.UID == 0 && intoCgroup(f, object)
}

// intoCgroup reports whether the object is a cgroup's directory, or clone(2) was to put
// the child into a cgroup.
func intoCgroup(_ *cause.Facts, object string) bool {
	return !strings.HasPrefix(object, "CLONE_") && object != "child" ||
		strings.Contains(object, "CLONE_INTO_CGROUP")
}

// busy answers EBUSY for a cgroup that has processes in it, as a container's topmost has.
func busy(_ *cause.Facts, dir string) cause.Cause {
	init := cmdline.Quote(filepath.Join(dir, "init"))
	return cause.Cause{
		ID: "cgroup-processes",
		Text: "a cgroup with processes in it can't hand controllers down (see cgroups(7)); " +
			"move them down",
		Command: "mkdir " + init + "; for p in $(cat " +
			cmdline.Quote(filepath.Join(dir, "cgroup.procs")) + "); do echo $p >" + init +
			"/cgroup.procs; done",
	}
}

// noFile answers ENOENT for a file that no cgroup has.
func noFile(_ *cause.Facts, file string) cause.Cause {
	return cause.Cause{
		ID: "cgroup-file",
		Text: "no cgroup has such a file, or version 1 has another name for it; to see " +
			"the names",
		Command: "ls " + cmdline.Quote(filepath.Dir(filepath.Dir(file))),
	}
}
