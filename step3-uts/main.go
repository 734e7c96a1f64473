//go:build linux

// Step3-uts runs a command in new PID, MNT and UTS namespaces.
//
// Usage:
//
//	step3-uts [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-u, --uts hostname       new UTS namespace with that hostname
//
// New in this step: CLONE_NEWUTS. The child has its own hostname.
package main

import (
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step3-uts",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{Name: "u", Aliases: []string{"uts"}, Action: common.CheckHostname,
				Usage: "new UTS namespace with that `hostname`"},
		},
	}, parent, child)
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
	if c.IsSet("uts") {
		// The child gets a copy of the hostname.
		flags |= unix.CLONE_NEWUTS
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
	if c.IsSet("uts") {
		if err := unix.Sethostname([]byte(c.String("uts"))); err != nil {
			return common.Failed("sethostname", c.String("uts"), err)
		}
		common.Childf(c, "set the hostname to %s", c.String("uts"))
	}
	return common.Exec(c)
}
