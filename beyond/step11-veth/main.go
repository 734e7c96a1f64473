//go:build linux

// Step11-veth runs a command in new PID, MNT, UTS and NET namespaces, with a cable to
// the host.
//
// Usage:
//
//	step11-veth [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            say what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-u, --uts hostname       new UTS namespace with that hostname
//	-n, --net                new NET namespace
//	-e, --veth network       cable to the host, with addresses of the network
//
// New in this step: a pair of veth links, which is a cable. The host has one end, and the
// child has the other. The host gets the first address of the network, the child the
// second.
package main

import (
	"github.com/urfave/cli/v2"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/network"
	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step11-veth",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{Name: "u", Aliases: []string{"uts"}, Action: common.Hostname,
				Usage: "new UTS namespace with that `hostname`"},
			&cli.BoolFlag{Name: "n", Aliases: []string{"net"}, Usage: "new NET namespace"},
			&cli.StringFlag{Name: "e", Aliases: []string{"veth"}, Action: network.Check,
				Usage: "cable to the host, with addresses of the `network`"},
		},
	}, parent, child, network.Hints...)
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

	process, err := common.Start(c, flags)
	if err != nil {
		return err
	}
	if c.IsSet("veth") {
		cable, err := plug(c, process)
		if cable != nil {
			// The kernel deletes the cable with the namespace, but some time after it.
			defer func() { _ = netlink.LinkDel(cable) }()
		}
		if err != nil {
			return process.Abort(err)
		}
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// plug makes the cable and sets up both ends, and lo. It returns the host's end.
func plug(c *cli.Context, process *common.Child) (cable netlink.Link, err error) {
	here, there := network.Addresses(c.String("veth"))
	if err := network.Unused(here); err != nil {
		return nil, err
	}
	ns, err := netns.GetFromPath(process.Proc("ns/net"))
	if err != nil {
		return nil, common.Failed("open", process.Proc("ns/net"), err)
	}
	defer ns.Close()
	// The kernel puts a number in the place of %d. The peer is made in the child's
	// namespace: a peer made here and moved stays here if the parent is killed between.
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: "veth%d"})
	pair.PeerName, pair.PeerNamespace = "eth0", netlink.NsFd(ns)
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, common.Failed("add link", pair.Name, err)
	}
	// A netlink socket belongs to the namespace that it was made in.
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, common.Failed("open a netlink socket in", process.Proc("ns/net"), err)
	}
	defer inside.Close()
	if cable, err = network.OtherEnd(inside, "eth0"); err != nil {
		return nil, err
	}
	for _, end := range []struct {
		in            *netlink.Handle
		name, address string
	}{
		{&netlink.Handle{}, cable.Attrs().Name, here}, {inside, "eth0", there},
		{inside, "lo", "127.0.0.1/8"},
	} {
		if err := network.SetUp(end.in, end.name, end.address); err != nil {
			return cable, err
		}
		common.Parentf(c, "set up %s with %s", end.name, end.address)
	}
	if err := network.WaitUntilUp(&netlink.Handle{}, cable.Attrs().Name); err != nil {
		return cable, err
	}
	return cable, network.WaitUntilUp(inside, "eth0")
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
