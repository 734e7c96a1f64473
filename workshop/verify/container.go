//go:build linux

package verify

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// kept is how many capabilities Docker leaves root in a container.
const kept = 14

// containerChecks are the rows of a whole container: one of program container, or one
// that a reader has written.
func containerChecks() []check {
	whole := command{"container", "-r img bash --norc"}
	return append(ownView(whole), fewPrivileges(whole)...)
}

// ownView are the rows on what the container sees.
func ownView(whole command) []check {
	return []check{
		{
			text:  "PID, MNT, UTS, NET and IPC namespaces of its own",
			holds: func(f *facts) bool { return len(f.missing()) == 0 },
			why:   func(f *facts) string { return "not " + strings.Join(f.missing(), " ") },
			hint: "One call of clone(2) makes all of them, with a flag for each. The PID " +
				"must be the child's, not the parent's.",
			then: whole,
		},
		{
			text:  "a CGROUP namespace of its own",
			holds: func(f *facts) bool { return f.own("cgroup") },
			hint: "Its /proc/self/cgroup shows its place on the host. unshare(2) makes the " +
				"namespace, after the process was moved to its cgroup.",
			then: whole,
		},
		{
			text: "a root directory that isn't the host's", fact: "root",
			holds: func(f *facts) bool { return f.Root != "" && !f.HostRoot },
			hint:  "The process sees all files of the host.",
			then:  whole,
		},
		{
			text: "nothing above that root directory", fact: "root",
			holds: func(f *facts) bool { return f.Root != "" && !f.HostRoot && f.Above == "" },
			hint: "chroot(2) leaves the list of mounts as it is. pivot_root(2) changes it, " +
				"and then the old root can be unmounted.",
			then: whole,
		},
		ownMount("an overlay as the top of its mounts", "/", "overlay", whole,
			"A change in the container is a change of the image. Mount an overlay before "+
				"pivot_root(2), with the image as its lower directory."),
		properProc(whole),
		ownMount("a /dev of its own", "/dev", "tmpfs", whole,
			"The /dev is the image's directory. Mount a tmpfs there."),
		{
			text: "a /dev/null that is a device", fact: "null",
			holds: func(f *facts) bool { return f.Null },
			hint: "It isn't there, or it is an ordinary file. Bind mount the host's on a file " +
				"while the old root is there. A bind mount works without root too.",
			then: whole,
		},
	}
}

// fewPrivileges are the rows on what the container may do.
func fewPrivileges(whole command) []check {
	return []check{
		{
			text: fmt.Sprintf("at most %d capabilities, and no way to get more", kept),
			fact: "privileges",
			holds: func(f *facts) bool {
				return f.Privileges != nil && bits.OnesCount64(f.Privileges.Bounding) <= kept
			},
			why: func(f *facts) string {
				if f.Privileges == nil {
					return ""
				}
				return fmt.Sprintf("it may have %d", bits.OnesCount64(f.Privileges.Bounding))
			},
			hint: "execve(2) gives root the capabilities of the bounding set. prctl(2) drops " +
				"one of the set: PR_CAPBSET_DROP.",
			then: whole,
		},
		{
			text: "no_new_privs", fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && f.Privileges.NoNew },
			hint: "Set-user-ID programs still count. One call of prctl(2) ends that: " +
				"PR_SET_NO_NEW_PRIVS.",
			then: whole,
		},
		{
			text: "a filter of system calls", fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && f.Privileges.Filters > 0 },
			hint: "Its status has the line Seccomp_filters with a number. seccomp(2) and " +
				"prctl(2) install a filter.",
			then: whole,
		},
		{
			text: "a read-only " + settings, fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && !f.Privileges.Settings },
			hint: "Root needs no capability to change settings of the kernel there. Bind " +
				"mount the directory on itself, and make that mount read-only.",
			then: whole,
		},
	}
}

// null notes whether the /dev/null that a process sees is the device 1:3 (null(4)).
func (f *facts) null() error {
	var st unix.Stat_t
	err := unix.Stat(file(f.PID, "root/dev/null"), &st)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	f.Null = err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR &&
		st.Rdev == unix.Mkdev(1, 3)
	return err
}
