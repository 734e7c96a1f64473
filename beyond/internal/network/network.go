//go:build linux

// Package network is what step11-veth needs of addresses and links beside its lesson.
package network

import (
	"errors"
	"net/netip"
	"time"

	"github.com/urfave/cli/v2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cmdline"
)

// Check checks the value of the option --veth: an IPv4 network, for example 10.9.8.0/30,
// that has two addresses for hosts.
func Check(c *cli.Context, value string) error {
	network, err := netip.ParsePrefix(value)
	switch {
	case err != nil || !network.Addr().Is4() || network.Bits() > 30 || network.Bits() < 8:
		return cmdline.Usagef("--veth takes a network with two or more addresses, for "+
			"example 10.9.8.0/30, not %q", value)
	case network != network.Masked():
		return cmdline.Usagef("%s is an address; its network is %v", value,
			network.Masked())
	case !c.Bool("net"):
		return cmdline.Usagef("--veth needs --net: without it the cable has both ends here")
	}
	return nil
}

// Addresses returns the first two addresses of a network, with its length, for example
// 10.9.8.1/30 and 10.9.8.2/30.
func Addresses(value string) (first, second string) {
	network := netip.MustParsePrefix(value)
	one := network.Addr().Next()
	return netip.PrefixFrom(one, network.Bits()).String(),
		netip.PrefixFrom(one.Next(), network.Bits()).String()
}

// Unused returns an error if a link of this namespace has an address in the network of
// address, or around it. The kernel allows that, and then sends packets the wrong way.
func Unused(address string) error {
	network := netip.MustParsePrefix(address).Masked()
	links, err := netlink.AddrList(nil, unix.AF_INET)
	if err != nil {
		return common.Failed("list addresses for", address, err)
	}
	for _, other := range links {
		if used, err := netip.ParsePrefix(other.IPNet.String()); err == nil &&
			used.Overlaps(network) {
			return common.Failed("use network", network.String(), unix.EADDRINUSE)
		}
	}
	return nil
}

// OtherEnd returns the end in this namespace of a veth pair whose end elsewhere has a name.
func OtherEnd(elsewhere *netlink.Handle, name string) (netlink.Link, error) {
	link, err := elsewhere.LinkByName(name)
	if err != nil {
		return nil, common.Failed("find link", name, err)
	}
	other, err := netlink.LinkByIndex(link.Attrs().ParentIndex)
	if err != nil {
		return nil, common.Failed("find the other end of", name, err)
	}
	return other, nil
}

// SetUp gives a link an address and sets it up, as the commands ip address add and ip link
// set up do.
func SetUp(in *netlink.Handle, name, address string) error {
	ip, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	link, err := in.LinkByName(name)
	if err != nil {
		return common.Failed("find link", name, err)
	}
	if err := in.AddrAdd(link, ip); err != nil {
		return common.Failed("add address "+address+" to", name, err)
	}
	if err := in.LinkSetUp(link); err != nil {
		return common.Failed("set up link", name, err)
	}
	return nil
}

// WaitUntilUp waits until a link can carry packets. The kernel tells each end of a pair
// of the other end some time after both are up, and drops packets until then.
func WaitUntilUp(in *netlink.Handle, name string) error {
	const limit = 10 * time.Second
	for start := time.Now(); time.Since(start) < limit; time.Sleep(time.Millisecond) {
		link, err := in.LinkByName(name)
		if err != nil {
			return common.Failed("find link", name, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return common.Failed("wait for link", name, errors.New("it isn't up after 10 seconds"))
}
