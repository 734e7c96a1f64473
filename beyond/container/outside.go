//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/cgroup"
	"nsteps/beyond/internal/idmap"
	"nsteps/beyond/internal/network"
	"nsteps/common"
)

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
