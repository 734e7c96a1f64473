//go:build linux

// Package privilege is what programs that take privileges away need beside their
// lessons.
package privilege

import (
	"errors"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/rootfs"
	"nsteps/common"
)

// Capabilities returns the numbers of all capabilities that this kernel has.
func Capabilities() (all []uintptr, err error) {
	for n := uintptr(0); ; n++ {
		err := unix.Prctl(unix.PR_CAPBSET_READ, n, 0, 0, 0)
		if n > 0 && errors.Is(err, unix.EINVAL) { // there is no such capability
			return all, nil
		}
		if err != nil {
			return nil, common.Failed("prctl", "PR_CAPBSET_READ", err)
		}
		all = append(all, n)
	}
}

// ClearInheritable empties the inheritable set of this thread. A capability that isn't
// inheritable isn't ambient either (capabilities(7)).
func ClearInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // capabilities 0 to 31, and those above
	err := unix.Capget(&header, &sets[0])
	if err == nil {
		sets[0].Inheritable, sets[1].Inheritable = 0, 0
		err = unix.Capset(&header, &sets[0])
	}
	if err != nil {
		return common.Failed("capset", "inheritable", err)
	}
	return nil
}

// ReadOnly are those parts of /proc that runc too makes read-only. They change the whole
// machine, and most of them ask for user 0, not for a capability.
var ReadOnly = []string{
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
}

// ProtectProc makes these parts of /proc read-only. A working directory in one of them is
// looked up again: it stays below the new mount otherwise, where it is writable.
func ProtectProc(c *cli.Context) error {
	for _, file := range ReadOnly {
		err := unix.Mount(file, file, "", unix.MS_BIND|unix.MS_REC, "")
		if errors.Is(err, unix.ENOENT) { // not every kernel has all of them
			continue
		}
		if err != nil {
			return common.Failed("bind mount", file, err)
		}
		if err := rootfs.Remount(file, unix.MS_RDONLY); err != nil {
			return common.Failed("make read-only", file, err)
		}
		common.Childf(c, "made %s read-only", file)
	}
	directory, err := unix.Getwd() // os.Getwd would believe $PWD
	if err != nil || !strings.HasPrefix(directory, "/proc/") {
		return nil
	}
	if unix.Chdir(directory) == nil {
		return nil
	}
	return os.Chdir("/proc") // the directory of a process that a new /proc doesn't show
}
