//go:build linux

// Step7-user runs a command in new PID, MNT, UTS, NET and USER namespaces.
//
// Usage:
//
//	step7-user [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-u, --uts hostname       new UTS namespace with that hostname
//	-n, --net                new NET namespace
//	-U, --user nobody|root|range
//	                         new USER namespace with a map for: nobody|root|range
//
// New in this step: CLONE_NEWUSER. It needs no privilege, and gives the child all
// capabilities over the new namespaces. The parent maps the IDs inside to IDs outside.
package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/idmap"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step7-user",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{Name: "u", Aliases: []string{"uts"}, Action: common.CheckHostname,
				Usage: "new UTS namespace with that `hostname`"},
			&cli.BoolFlag{Name: "n", Aliases: []string{"net"}, Usage: "new NET namespace"},
			&cli.StringFlag{Name: "U", Aliases: []string{"user"}, Action: idmap.CheckUser,
				Usage: "new USER namespace with a map for: `nobody|root|range`"},
		},
	}, parent, child, idmap.Hints...)
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
	if c.Bool("net") {
		// The child gets one network link, lo, which is down.
		flags |= unix.CLONE_NEWNET
	}
	if c.IsSet("user") {
		// clone(2) makes this namespace first, and it owns the others. The child has all
		// capabilities over them.
		flags |= unix.CLONE_NEWUSER
	}

	process, err := common.Start(c, flags, idmap.KeepCapabilities)
	if err != nil {
		return err
	}
	if err := writeMaps(c, process); err != nil {
		return process.Abort(err)
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// writeMaps says which IDs outside the IDs in the child's USER namespace stand for
// (user_namespaces(7)). An ID without a map is shown as 65534, nobody.
func writeMaps(c *cli.Context, process *common.Child) error {
	// The first ID inside, the first ID outside, and how many.
	uids, gids := fmt.Sprintf("0 %d 1", os.Getuid()), fmt.Sprintf("0 %d 1", os.Getgid())
	switch c.String("user") {
	case "root":
		// A user may map only their own ID. The child must not leave a group then: a file
		// may deny access to the members of that group.
		for _, file := range [][2]string{
			{"setgroups", "deny"}, {"uid_map", uids}, {"gid_map", gids},
		} {
			name := process.Proc(file[0])
			if err := os.WriteFile(name, []byte(file[1]), 0); err != nil {
				return err
			}
			common.Parentf(c, "wrote %s: %s", file[0], file[1])
		}
	case "range":
		// More IDs need a privileged program (newuidmap(1)).
		return idmap.WriteRange(c, process, uids, gids)
	}
	return nil
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
	if c.IsSet("user") {
		if err := idmap.DropCapabilities(); err != nil {
			return err
		}
	}
	return common.Exec(c)
}
