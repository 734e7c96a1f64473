//go:build linux

// Step13-caps runs a command in new PID and MNT namespaces, with fewer privileges.
//
// Usage:
//
//	step13-caps [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-l, --limit              leave root only Docker's 14 capabilities
//
// New in this step: root with fewer privileges. Three things are needed, because each
// one alone leaves a way. The capability bounding set limits what execve(2) gives root
// (capabilities(7)). With no_new_privs no program gives more than the caller has. And
// settings of the kernel in a new /proc, which ask for user 0 only, become read-only.
package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/privilege"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step13-caps",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.BoolFlag{Name: "l", Aliases: []string{"limit"},
				Usage: "leave root only Docker's 14 capabilities"},
		},
	}, parent, child, privilege.Hints...)
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
	if c.Bool("pid") && c.Bool("mnt") {
		// ps reads /proc, and a proc shows the PID namespace of the process that mounts it.
		const mountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		if err := unix.Mount("proc", "/proc", "proc", mountFlags, ""); err != nil {
			return common.Failed("mount proc on", "/proc", err)
		}
		common.Childf(c, "mounted a new proc on /proc")
	}
	if c.Bool("limit") {
		if err := limit(c); err != nil {
			return err
		}
	}
	return common.Exec(c)
}

// kept are the capabilities that Docker leaves root in a container.
var kept = []uintptr{
	unix.CAP_AUDIT_WRITE, unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER,
	unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_MKNOD, unix.CAP_NET_BIND_SERVICE,
	unix.CAP_NET_RAW, unix.CAP_SETFCAP, unix.CAP_SETGID, unix.CAP_SETPCAP,
	unix.CAP_SETUID, unix.CAP_SYS_CHROOT,
}

// limit takes privileges from the command. It comes after the set-up, which needs more.
func limit(c *cli.Context) error {
	if c.Bool("pid") && c.Bool("mnt") {
		// Some files in there ask for user 0, not for a capability (core(5), for example).
		if err := privilege.ProtectProc(c); err != nil {
			return err
		}
	}
	runtime.LockOSThread() // privileges belong to a thread, and this one calls execve(2)
	all, err := privilege.Capabilities()
	if err != nil {
		return err
	}
	for _, n := range all {
		if slices.Contains(kept, n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0); err != nil {
			return common.Failed("drop capability", fmt.Sprint(n), err)
		}
	}
	// execve(2) gives root the bounding set, and what was inheritable before.
	if err := privilege.ClearInheritable(); err != nil {
		return err
	}
	// From here on, set-user-ID bits and capabilities of files don't count.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return common.Failed("prctl", "PR_SET_NO_NEW_PRIVS", err)
	}
	common.Childf(c, "left root no other capabilities than Docker's %d", len(kept))
	return nil
}
