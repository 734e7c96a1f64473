//go:build linux

// Package network is what programs with the option --veth need of addresses and links
// beside their lessons.
package network

import (
	"errors"
	"net/netip"
	"os"
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
		return cmdline.Usagef("--veth needs an IPv4 network of length /8 to /30, for "+
			"example 10.9.8.0/30, not %q", value)
	case reserved(network.Addr()):
		return cmdline.Usagef("--veth needs a network for machines, for example "+
			"10.9.8.0/30: %s is reserved", value)
	case network != network.Masked():
		return cmdline.Usagef("%s is an address; its network is %v", value,
			network.Masked())
	case !c.Bool("net"):
		return cmdline.Usagef("--veth needs --net: without it the cable has both ends here")
	}
	return nil
}

// reserved reports whether an IPv4 address is none of a machine: multicast, loopback,
// link-local, "this network" or class E (RFC 6890).
func reserved(address netip.Addr) bool {
	first := address.As4()[0]
	return !address.IsGlobalUnicast() || first == 0 || first >= 240
}

// Addresses returns the first two addresses of a network, with its length, for example
// 10.9.8.1/30 and 10.9.8.2/30. A network in use is an error.
func Addresses(value string) (first, second string, err error) {
	network := netip.MustParsePrefix(value)
	one := network.Addr().Next()
	first = netip.PrefixFrom(one, network.Bits()).String()
	second = netip.PrefixFrom(one.Next(), network.Bits()).String()
	return first, second, CheckUnused(first, nil)
}

// CheckUnused returns an error if a link of this namespace, other than own, has an
// address in the network of address, or around it. The kernel allows that, and then sends
// packets the wrong way.
func CheckUnused(address string, own netlink.Link) error {
	network := netip.MustParsePrefix(address).Masked()
	used, err := netlink.AddrList(nil, unix.AF_INET)
	for errors.Is(err, netlink.ErrDumpInterrupted) { // the addresses changed meanwhile
		used, err = netlink.AddrList(nil, unix.AF_INET)
	}
	if err != nil {
		return common.Failed("list addresses for", address, err)
	}
	for _, other := range used {
		prefix, err := netip.ParsePrefix(other.IPNet.String())
		isOwn := own != nil && other.LinkIndex == own.Attrs().Index
		if err == nil && prefix.Overlaps(network) && !isOwn {
			return common.Failed("use network", network.String(), unix.EADDRINUSE)
		}
	}
	return nil
}

// Open opens the NET namespace of a child. The namespace stays as long as the file.
func Open(process *common.Child) (*os.File, error) {
	return os.Open(process.Proc("ns/net"))
}

// In calls a function in another NET namespace. Only this thread goes there, so the
// goroutine has to be locked to it.
func In(namespace *os.File, do func() error) error {
	ours, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer ours.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return common.Failed("setns", namespace.Name(), err)
	}
	err = do()
	if back := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); back != nil {
		return common.Failed("setns", ours.Name(), back)
	}
	return err
}

// OtherEnd returns the end in this namespace of a veth pair, whose end in another
// namespace has a name.
func OtherEnd(namespace *os.File, name string) (other netlink.Link, err error) {
	var index int
	if err := In(namespace, func() error {
		link, err := find(name)
		if err == nil {
			index = link.Attrs().ParentIndex // in the other end's namespace
		}
		return err
	}); err != nil {
		return nil, err
	}
	if other, err = netlink.LinkByIndex(index); err != nil {
		return nil, common.Failed("find the other end of", name, err)
	}
	return other, nil
}

func find(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, common.Failed("find link", name, err)
	}
	return link, nil
}

// Find returns the link with a name, and an address of a form such as 10.9.8.1/30.
func Find(name, address string) (netlink.Link, *netlink.Addr, error) {
	ip, err := netlink.ParseAddr(address)
	if err != nil {
		return nil, nil, err
	}
	link, err := find(name)
	return link, ip, err
}

// WaitUntilUp waits until both ends of a veth pair can carry packets. The kernel tells
// each end of the other some time after both are up, and drops packets until then.
func WaitUntilUp(namespace *os.File, name string, other netlink.Link) error {
	if err := In(namespace, func() error { return wait(name) }); err != nil {
		return err
	}
	return wait(other.Attrs().Name)
}

func wait(name string) error {
	const limit = 10 * time.Second
	for start := time.Now(); time.Since(start) < limit; time.Sleep(time.Millisecond) {
		link, err := find(name)
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return common.Failed("wait for link", name, errors.New("it isn't up after 10 seconds"))
}

// Unplug deletes a link, if there is one. The peer goes with it.
func Unplug(cable netlink.Link) {
	if cable != nil {
		_ = netlink.LinkDel(cable)
	}
}
