//go:build linux

package cause

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// hints are the failures that have a known cause. The first that fits is taken: so a hint
// with a condition stands above the one without it.
var hints = []Hint{
	// The command.
	{"exec", unix.ENOENT, nil, Cause{}, missing},
	{
		"exec", unix.EACCES, isDirectory,
		Cause{"directory", "it is a directory", "", ""},
		nil,
	},
	{"exec", unix.EACCES, notExecutable, Cause{}, executable},
	{"exec|re-execute", unix.EACCES, onNoexec, Cause{
		"noexec",
		"it is on a mount with the option noexec", "findmnt -T OBJECT", "",
	}, nil},
	{"exec", unix.ENOEXEC, nil, Cause{"format", "not a program for this machine; " +
		"if it is a script, its first line must be like #!/bin/sh", "", ""}, nil},

	// The jail.
	{"chroot", 0, isOption, Cause{
		"order", "an option with a value comes last",
		"PROGRAM -pmc jail sh", "",
	}, nil},
	{"chroot", unix.ENOENT, isEmpty, noDirectory, nil},
	{"chroot", unix.ENOENT, nil, Cause{"no-jail", "make the jail", "FILL", ""}, nil},
	{"chroot", unix.ENOTDIR, nil, noDirectory, nil},
	{"chroot", unix.EACCES, nil, Cause{
		"way", "you may not enter a directory on the way",
		"namei -l OBJECT", "",
	}, nil},
	{"mkdir", unix.EACCES, nil, Cause{
		"owner", "the jail belongs to another user; " +
			"create a jail in a directory of your own, or run as the jail's owner", "",
		"",
	}, nil},
	{
		"mkdir", unix.EPERM, isImmutable,
		Cause{"immutable", "the jail is immutable, even for root (see " +
			"chattr(1))", "SUDOchattr -i JAIL", ""},
		nil,
	},
	{"mkdir", unix.EPERM, nil, noNewDirectories, nil},
	{"mkdir", unix.ENOENT, nil, noNewDirectories, nil}, // of a proc
	{
		"mkdir", unix.EROFS, nil,
		Cause{"read-only", "the jail is on a file system that is " +
			"mounted read-only; make the jail in another place", "", ""},
		nil,
	},

	// The message queue.
	{
		"mq_open", unix.ENOSPC, nil,
		Cause{
			"queue-number", "not the disk: there are as many " +
				"queues as fs.mqueue.queues_max allows",
			"SUDOsysctl -w fs.mqueue.queues_max=1024", "",
		},
		nil,
	},
	{
		"mq_open", unix.EINVAL, nil,
		Cause{
			"queue-size", "this machine allows only smaller " +
				"queues (see mq_overview(7))",
			"SUDOsysctl -w fs.mqueue.msg_max=10 fs.mqueue.msgsize_max=8192", "",
		},
		nil,
	},
	{
		"mq_open", unix.ENOSYS, noSeccomp,
		Cause{
			"kernel-mqueue", "this kernel was built without " +
				"POSIX message queues; WSL 1 and gVisor lack them too; to see which " +
				"kernel it is",
			"uname -r", "",
		},
		nil,
	},
	{
		"mq_unlink", unix.EPERM, nil,
		Cause{"queue-owner", "the queue belongs to another user, " +
			"whose run was killed or is not over; to remove it", "SUDOsh -c " +
			"'mount -t mqueue none /mnt; rm /mntOBJECT; umount /mnt'", ""},
		nil,
	},

	// The child.
	{"re-execute", unix.E2BIG, nil, Cause{
		"environment", "the environment is too large",
		"env -i SELF", "",
	}, nil},
	{"clone", unix.EAGAIN, inPIDs, Cause{}, pidsLimit},
	{
		"clone", unix.EAGAIN, nil,
		Cause{
			"processes", "there are as many processes and threads as " +
				"RLIMIT_NPROC or a pids cgroup allows",
			"SUDOprlimit --pid $$ --nproc=unlimited", "",
		},
		nil,
	},
	{
		"mmap", unix.ENOMEM, nil,
		Cause{"memory", "a limit leaves too little memory for a second " +
			"Go program", "ulimit -v unlimited", ""},
		nil,
	},
	{
		"lock", unix.EAGAIN, nil,
		Cause{"locked", "another run holds the lock, perhaps a stopped " +
			"one (fg); to see the process", "lslocks", ""},
		nil,
	},
	{
		"clone", unix.EINVAL, emulated,
		Cause{
			"emulator", "EMULATOR emulates another processor and " +
				"can't make namespaces; build the programs for this machine",
			"make clean build", "",
		},
		nil,
	},
	{"clone|make mounts private below|mount proc on|sethostname", 0, onWSL1, Cause{
		"wsl1",
		"this is WSL 1, which has no Linux kernel and almost no namespaces; convert it " +
			"to WSL 2",
		"wsl.exe --set-version WSL 2", "",
	}, nil},
	{"clone|unshare", unix.ENOSPC, nil, Cause{}, limited},
	{"clone", unix.EUSERS, nil, Cause{}, limited}, // before Linux 4.9 (see clone(2))
	{"clone", unix.ENOSYS, nil, Cause{}, noFilter.meet},

	// A user namespace, for those who aren't root (see user_namespaces(7)).
	{
		"clone", unix.EINVAL, onlyUser,
		Cause{"kernel-user", "this kernel was built without user " +
			"namespaces; be root", "sudo SELF", ""},
		nil,
	},
	{
		"clone", unix.EPERM, noUser,
		Cause{
			"userns-clone", "kernel.unprivileged_userns_clone is 0, " +
				"so only root may make user namespaces",
			"sudo sysctl -w kernel.unprivileged_userns_clone=1", "",
		},
		nil,
	},
	{
		"clone|unshare", unix.EPERM, inChroot,
		Cause{"chroot-user", "no process in a chroot may make a " +
			"user namespace (see clone(2)); leave it", "exit", ""},
		nil,
	},
	{"clone", unix.EPERM, filteredUser, Cause{}, noFilter.meet},
	{
		"clone", unix.EPERM, newUserOfPlain,
		Cause{"privilege", "creating namespaces needs root, " +
			"and a user namespace is refused; be root", "sudo SELF", ""},
		nil,
	},
	{
		"clone|unshare", unix.EINVAL, nil,
		Cause{"kernel", "this kernel was built without one of these " +
			"namespaces; to see which it has", "ls /proc/self/ns", ""},
		nil,
	},

	// Cgroups. The causes that the doctor doesn't meet are in beyond/internal/cgroup.
	{"find cgroup of", unix.ENOENT, outsideCgroup, Cause{
		"cgroup-outside", "this process is outside of its CGROUP namespace, where it can't " +
			"see its cgroup; join a process without -C", "", "",
	}, nil},
	{"find cgroup of", unix.ENOENT, nil, Cause{}, mountCgroup},
	{
		"make cgroup", unix.EROFS, nil,
		Cause{
			"cgroup-read-only", "this container may not change its cgroups; start it with",
			"docker run --privileged", "",
		},
		nil,
	},

	// Mounts.
	{
		"make mounts private below", unix.EINVAL, nil,
		Cause{
			"chroot", "the root directory isn't a " +
				"mount point, because this is a chroot; before chroot DIR, make DIR one",
			"SUDOmount --bind DIR DIR", "",
		},
		nil,
	},
	{"mount proc on", unix.EPERM, sysAdmin, Cause{}, wholeProc.meet},

	// What the kernel forbids.
	{"clone", unix.EACCES, restricted, appArmor, nil},
	{
		"clone|mount proc on|make mounts private below|sethostname",
		unix.EACCES, nil,
		Cause{},
		noModule.meet,
	},
	{"mq_open", unix.ENOSYS, nil, Cause{}, noFilter.meet},
	{"", unix.EPERM, restricted, appArmor, nil},
	{"clone|unshare", unix.EPERM, newUser, Cause{
		"user-refused", "no process in a chroot may make a user namespace (see clone(2)), " +
			"and a security module may forbid it elsewhere; to see more",
		"SUDOdmesg | grep -iE 'apparmor|avc'", "",
	}, nil},
	{"", unix.EPERM, plain, Cause{}, beRoot},
	{"", unix.EPERM, filtered, Cause{}, noFilter.meet},
	{"", unix.EPERM, nil, Cause{}, privilege.meet},
}

var noDirectory = Cause{
	"no-directory", "-c needs a directory", "PROGRAM -c jail sh", "",
}

var noNewDirectories = Cause{
	"no-new-directories", "the file system of the jail takes no new directories, as a " +
		"proc or a sysfs doesn't; make the jail in another place", "", "",
}

var appArmor = Cause{
	"apparmor",
	"AppArmor restricts the user namespaces of plain users; allow " +
		"them", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
	"or be root: sudo SELF",
}

// The conditions of the hints.
func isOption(_ *Facts, object string) bool { return strings.HasPrefix(object, "-") }
func noSeccomp(f *Facts, _ string) bool     { return !f.Seccomp }
func emulated(f *Facts, _ string) bool      { return f.Emulator != "" }
func isImmutable(f *Facts, _ string) bool   { return f.Immutable }
func onWSL1(f *Facts, _ string) bool        { return f.WSL != "" }
func inPIDs(f *Facts, _ string) bool        { return f.PIDs != "" }
func sysAdmin(f *Facts, _ string) bool      { return f.SysAdmin }
func onlyUser(_ *Facts, object string) bool { return object == "CLONE_NEWUSER" }
func newUser(_ *Facts, object string) bool  { return contains(object, "CLONE_NEWUSER") }
func inChroot(f *Facts, object string) bool { return newUser(f, object) && f.InChroot }

// isEmpty: linux.Failed shows an empty object as "".
func isEmpty(_ *Facts, object string) bool { return object == "" || object == `""` }

// noUser: root isn't asked for that setting.
func noUser(f *Facts, object string) bool {
	return newUser(f, object) && f.NoClone && !f.SysAdmin
}

// filteredUser: the host's AppArmor says nothing about a container with a filter.
func filteredUser(f *Facts, object string) bool {
	return newUser(f, object) && f.Seccomp && (f.Container != "" || !restricted(f, object))
}

func newUserOfPlain(f *Facts, object string) bool {
	return newUser(f, object) && !f.AppArmor && plain(f, object)
}

// restricted: AppArmor leaves the root of a user namespace without capabilities.
func restricted(f *Facts, _ string) bool { return f.AppArmor && (f.UserNS || f.UID != 0) }

// plain: root could do it. Where sudo(8) doesn't work, a filter may be the reason.
func plain(f *Facts, _ string) bool {
	return f.UID != 0 && !f.SysAdmin && !f.Bounded && (!f.Seccomp || !f.NoSudo)
}

// filtered: those without the capability would be refused without a filter, too.
func filtered(f *Facts, _ string) bool { return f.Seccomp && (f.SysAdmin || f.UID != 0) }

// beRoot is advice for a user who could be root of the machine, and perhaps of a user
// namespace.
func beRoot(f *Facts, _ string) Cause {
	self := cmdline.QuoteAll(f.Args)
	c := Cause{ID: "root", Text: "be root", Command: "sudo " + self}
	if f.CouldBeRoot() {
		c.Or = "or root in a user namespace: unshare --user --map-root-user " + self
	}
	return c
}

// executable tells how to make a file executable, by its name outside the jail. There, an
// absolute link in the jail leads elsewhere.
func executable(f *Facts, file string) Cause {
	if target, err := filepath.EvalSymlinks(file); err == nil && f.Jail != "" {
		file = target
	}
	return Cause{
		ID: "mode", Text: "it isn't executable",
		Command: "chmod +x " + cmdline.Quote(filepath.Join(f.Jail, file)),
	}
}

// limited answers ENOSPC of clone(2) with the limits of the namespaces in flags, those
// that are 0 if any is.
func limited(f *Facts, flags string) Cause {
	var names, zero []string
	for _, k := range linux.Kinds {
		if !contains(flags, k.Name) {
			continue
		}
		names = append(names, "user.max_"+k.File+"_namespaces")
		if f.Limits[k.File] == "0" {
			zero = append(zero, "user.max_"+k.File+"_namespaces")
		}
	}
	reason := " reached, here or in an outer user namespace, or 32 of these are nested " +
		"(see namespaces(7)); raise it"
	if zero != nil {
		names, reason = zero, " 0"
	}
	is := " is"
	if len(names) > 1 {
		is = " are"
	}
	return Cause{
		ID: "limit", Text: "not the disk: " +
			strings.Join(names, ", ") + is + reason,
		Command: f.Sudo() + "sysctl -w " + strings.Join(names, "=10000 ") + "=10000",
	}
}

// pidsLimit answers EAGAIN of clone(2) in a small pids cgroup.
func pidsLimit(f *Facts, _ string) Cause {
	c := Cause{
		ID: "pids",
		Text: "the pids cgroup allows no more processes and threads; a step " +
			"has about 12",
	}
	switch f.Container {
	case "docker", "podman":
		c.Command = f.Container + " run --pids-limit -1"
	case "service":
		c.Command = f.Sudo() + "systemctl set-property " + cmdline.Quote(f.Unit) +
			" TasksMax=infinity"
	default:
		c.Command = "echo max | " + f.Sudo() + "tee " + cmdline.Quote(f.PIDs)
	}
	return c
}

// queueBytes answers EMFILE of mq_open(3). Everybody may raise a soft limit up to the
// hard one (see getrlimit(2)).
func queueBytes(f *Facts, _ string) Cause {
	const usual = 819200 // MQ_BYTES_MAX of the kernel
	c := Cause{
		ID: "queue-bytes",
		Text: fmt.Sprintf("not open files: the queues of a user may "+
			"have RLIMIT_MSGQUEUE bytes, here %d, and other queues may use a part of "+
			"it; "+
			"raise it",
			f.Queues), Or: "or remove queues: rm /dev/mqueue/NAME",
	}
	switch {
	case f.Queues >= usual:
		c.Command = f.Sudo() + "prlimit --pid $$ --msgqueue=unlimited"
	case f.QueuesMaximum >= usual:
		c.Command = fmt.Sprintf("prlimit --pid $$ --msgqueue=%d", usual)
	default:
		c.Command = fmt.Sprintf("%sprlimit --pid $$ --msgqueue=%d", f.Sudo(), usual)
	}
	return c
}
