//go:build linux

// Container runs a command in a container: all that the steps do, in the right order.
//
// Usage:
//
//	container [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-r, --root dir           make an overlay of dir the top of all mounts
//	-u, --uts hostname       hostname, if it isn't "container"
//	-U, --user root|range    new USER namespace with a map for: root|range
//	-e, --veth network       cable to the host, with addresses of the network
//	-g, --cgroup file=value  new cgroup with the limit file=value; may be repeated
//	    --swap a,b           swap entries a,b of the child's list, to see what breaks
//
// The container has new PID, MNT, UTS, NET, IPC and CGROUP namespaces. Without root it
// has a USER namespace too, with the map of root. New in this program: the order. Each
// entry of the child's list needs something that a later entry takes away.
package main

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/bpf"
	"nsteps/beyond/internal/cgroup"
	"nsteps/beyond/internal/idmap"
	"nsteps/beyond/internal/network"
	"nsteps/beyond/internal/order"
	"nsteps/beyond/internal/privilege"
	"nsteps/beyond/internal/rootfs"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "container",
		Flags: []cli.Flag{
			// What the steps ask for with these options, each container has.
			&cli.BoolFlag{
				Name: "p", Aliases: []string{"pid"}, Value: true, Hidden: true,
				Action: order.Always,
			},
			&cli.BoolFlag{
				Name: "m", Aliases: []string{"mnt"}, Value: true, Hidden: true,
				Action: order.Always,
			},
			&cli.BoolFlag{
				Name: "n", Aliases: []string{"net"}, Value: true, Hidden: true,
				Action: order.Always,
			},
			&cli.StringFlag{
				Name: "r", Aliases: []string{"root"}, Action: rootfs.CheckRoot,
				Usage: "make an overlay of `dir` the top of all mounts",
			},
			&cli.StringFlag{
				Name: "u", Aliases: []string{"uts"}, Action: common.CheckHostname,
				Value: "container", Usage: "`hostname`, if it isn't \"container\"",
			},
			&cli.StringFlag{
				Name: "U", Aliases: []string{"user"}, Action: idmap.CheckMapped,
				Value: idmap.Default(),
				Usage: "new USER namespace with a map for: `root|range`",
			},
			&cli.StringFlag{
				Name: "e", Aliases: []string{"veth"}, Action: network.Check,
				Usage: "cable to the host, with addresses of the `network`",
			},
			&cli.StringSliceFlag{
				Name: "g", Aliases: []string{"cgroup"}, Action: cgroup.Check,
				Usage: "new cgroup with the limit `file=value`; may be repeated",
			},
			&cli.StringFlag{
				Name:  "swap",
				Usage: "swap entries `a,b` of the child's list, to see what breaks",
			},
		},
		DisableSliceFlagSeparator: true, // a value may have commas
	}, parent, child, slices.Concat(idmap.Hints, rootfs.OverlayHints, network.Hints,
		cgroup.Hints, privilege.Hints, bpf.Hints)...)
}

// parent makes what only the host can make, and clones the child.
func parent(c *cli.Context) error {
	if err := rootfs.Required(c); err != nil {
		return err
	}
	var flags uintptr = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
		unix.CLONE_NEWNET | unix.CLONE_NEWIPC
	if c.String("user") != "" {
		flags |= unix.CLONE_NEWUSER
	}
	group := cgroup.New(c.App.Name)
	defer group.Remove()
	if err := makeCgroup(c, group); err != nil { // before the child, which is born in it
		return err
	}
	process, err := common.Start(c, flags, idmap.KeepCapabilities,
		func(sys *syscall.SysProcAttr) { sys.CgroupFD, sys.UseCgroupFD = group.FD() })
	if err != nil {
		return err
	}
	if err := group.Add(process.PID()); err != nil {
		return process.Abort(err)
	}
	if err := writeMaps(c, process); err != nil { // before the child mounts anything
		return process.Abort(err)
	}
	if c.IsSet("veth") {
		cable, err := plug(c, process)
		defer network.Unplug(cable)
		if err != nil {
			return process.Abort(err)
		}
	}
	process.Release()
	err = process.Wait()
	// A process that the kernel kills can't say why, and its status is that of any SIGKILL.
	if kills := group.OOMKills(); kills > 0 {
		fmt.Fprintf(os.Stderr, "%s: out of memory: processes that the kernel killed in the "+
			"cgroup: %d\n", c.App.Name, kills)
	}
	return err
}

// child sets up the container from inside. The order is the lesson.
func child(c *cli.Context) error {
	top := c.String("root")
	entries := []order.Entry{
		{Name: "private", Do: private}, // before any mount: it would be on the host too
		{Name: "overlay", Do: func(c *cli.Context) (err error) {
			top, err = overlay(c, top) // while the image and the host's /tmp can be seen
			return err
		}},
		{Name: "pivot", Do: func(c *cli.Context) error {
			return pivot(c, top) // the overlay is there now
		}},
		{Name: "proc", Do: proc},            // while the host's proc can be seen
		{Name: "furnish", Do: furnish},      // while the host's devices can be seen
		{Name: "leave", Do: leave},          // nothing of the host is needed any more
		{Name: "close", Do: closeInherited}, // after proc, which lists the descriptors
		{Name: "hostname", Do: hostname},    // anywhere
		{Name: "cgroup", Do: cgroupRoot},    // before the filter, which refuses unshare(2)
		{Name: "limit", Do: limit},          // before the filter, which refuses mount(2)
		{Name: "filter", Do: filter},        // last
	}
	if err := order.Swap(c, entries); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := entry.Do(c); err != nil {
			return err
		}
	}
	return common.Exec(c)
}
