//go:build linux

// Step11-veth runs a command in new namespaces, with a network cable to the host.
//
// Usage:
//
//	step11-veth [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-u, --uts hostname       new UTS namespace with that hostname
//	-n, --net                new NET namespace
//	-e, --veth network       cable to the host, with addresses of the network
//
// New in this step: a pair of veth links, the two ends of a cable. The host's end has the
// first address of the network, the child's end the second.
package main

import (
	"github.com/urfave/cli/v2"
	"github.com/vishvananda/netlink"
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
			&cli.StringFlag{Name: "u", Aliases: []string{"uts"}, Action: common.CheckHostname,
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
		defer network.Unplug(cable) // the kernel does, too, but some time after the end
		if err != nil {
			return process.Abort(err)
		}
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// plug makes the cable and sets up both ends, and lo. It returns the host's end.
func plug(c *cli.Context, process *common.Child) (cable netlink.Link, err error) {
	here, there, err := network.Addresses(c.String("veth"))
	if err != nil {
		return nil, err
	}
	inside, err := network.Open(process)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	// The kernel puts a number in the place of %d. The peer is made in the child's
	// namespace: a peer made here and moved stays here if the parent is killed between.
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: "veth%d"})
	pair.PeerName, pair.PeerNamespace = "eth0", netlink.NsFd(inside.Fd())
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, common.Failed("add link", pair.Name, err)
	}
	if cable, err = network.OtherEnd(inside, "eth0"); err != nil {
		return nil, err
	}
	if err := setUp(c, cable.Attrs().Name, here); err != nil {
		return cable, err
	}
	// Another run may have taken the network since the first look.
	if err := network.CheckUnused(here, cable); err != nil {
		return cable, err
	}
	// Netlink acts on the NET namespace of the thread that calls it (netlink(7)).
	for _, link := range [][2]string{{"lo", "127.0.0.1/8"}, {"eth0", there}} {
		err := network.In(inside, func() error { return setUp(c, link[0], link[1]) })
		if err != nil {
			return cable, err
		}
	}
	return cable, network.WaitUntilUp(inside, "eth0", cable)
}

// setUp does to a link what ip address add and ip link set up do.
func setUp(c *cli.Context, name, address string) error {
	link, ip, err := network.Find(name, address)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, ip); err != nil {
		return common.Failed("add address to link", name, err)
	}
	common.Parentf(c, "set up %s with %s", name, address)
	if err := netlink.LinkSetUp(link); err != nil {
		return common.Failed("set up link", name, err)
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
	return common.Exec(c)
}
