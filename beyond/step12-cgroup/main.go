//go:build linux

// Step12-cgroup runs a command in new PID and CGROUP namespaces, with limits.
//
// Usage:
//
//	step12-cgroup [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-g, --cgroup file=value  new cgroup with the limit file=value; may be repeated
//
// New in this step: a cgroup, which is a directory. A limit is a file in it, for example
// memory.max=64M or pids.max=20. The child is in the cgroup before it runs. It makes a
// CGROUP namespace with unshare(2), and so the path of its cgroup is / inside.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/cgroup"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step12-cgroup",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.StringSliceFlag{Name: "g", Aliases: []string{"cgroup"}, Action: cgroup.Check,
				Usage: "new cgroup with the limit `file=value`; may be repeated"},
		},
		DisableSliceFlagSeparator: true, // a value may have commas
	}, parent, child, cgroup.Hints...)
}

// parent clones the child into the namespaces asked for, and waits for it.
func parent(c *cli.Context) error {
	var flags uintptr
	if c.Bool("pid") {
		// The child is PID 1 of the new namespace. The parent stays in its own.
		flags |= unix.CLONE_NEWPID
	}
	group := cgroup.New(c.App.Name)
	defer group.Remove() // with all processes that are left in it
	if err := makeCgroup(c, group); err != nil {
		return err
	}

	process, err := common.Start(c, flags, func(sys *syscall.SysProcAttr) {
		// CLONE_INTO_CGROUP of clone3(2): the child is never without its limits.
		sys.CgroupFD, sys.UseCgroupFD = group.FD()
	})
	if err != nil {
		return err
	}
	// Version 1 has no such flag. The child waits, so it is without limits and does nothing.
	if err := group.Add(process.PID()); err != nil {
		return process.Abort(err)
	}
	process.Release() // the child has waited for this
	err = process.Wait()
	// A process that the kernel kills can't say why, and its status is that of any SIGKILL.
	if kills := group.OOMKills(); kills > 0 {
		fmt.Fprintf(os.Stderr, "%s: out of memory: processes that the kernel killed in the "+
			"cgroup: %d\n", c.App.Name, kills)
	}
	return err
}

// makeCgroup makes the child's cgroup and writes the limits to its files (cgroups(7)).
func makeCgroup(c *cli.Context, group *cgroup.Group) error {
	limits, err := group.Find(c.StringSlice("cgroup"))
	if err != nil {
		return err
	}
	for _, l := range limits {
		// Version 1 needs a directory for each controller. A directory that isn't locked is
		// a leftover of a killed run, and another run may remove it.
		err := group.Lock(l)
		for errors.Is(err, unix.EAGAIN) {
			if err = unix.Mkdir(l.Dir, 0o755); err == nil || errors.Is(err, unix.EEXIST) {
				err = group.Lock(l)
			}
		}
		if err != nil {
			return common.Failed("make cgroup", l.Dir, err)
		}
		if err := l.Write(); err != nil {
			return err
		}
		common.Parentf(c, "wrote %s to %s", l.Value, l.Path())
	}
	return nil
}

// child runs in the new namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	if c.IsSet("cgroup") {
		// The root of a CGROUP namespace is the cgroup that its maker is in, and at clone(2)
		// that is the parent's. A namespace belongs to a thread: Exec needs the same one.
		runtime.LockOSThread()
		before, _ := os.Readlink("/proc/thread-self/ns/cgroup")
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return common.Failed("unshare", "CLONE_NEWCGROUP", err)
		}
		after, _ := os.Readlink("/proc/thread-self/ns/cgroup")
		common.Childf(c, "%s -> %s", before, after)
	}
	return common.Exec(c)
}
