//go:build linux

package network

import (
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
)

// Hints are the failures of a program with the option --veth.
var Hints = []common.Hint{
	{Operations: "use network", Cause: cause.Cause{
		ID: "network", Command: "ip -4 -brief address",
		Text: "a link of this machine has an address in that network, or has just taken " +
			"it; use another network, for example 10.9.7.0/30; to see those in use",
	}},
	{Operations: "add link", Errno: unix.EOPNOTSUPP, Cause: cause.Cause{
		ID: "kernel-veth", Command: "SUDOmodprobe veth",
		Text: "this kernel has no veth links, or their module isn't loaded; load it",
	}},
	{Operations: "clone", Errno: unix.EPERM, When: withoutRoot, Cause: needsRoot},
	{Operations: "add link", Errno: unix.EPERM, Cause: needsRoot},
}

var needsRoot = cause.Cause{
	ID: "cable", Command: "sudo SELF",
	Text: "a cable needs root of the host, because the host gets a link too; be root",
	Or:   "or make a network without root, as pasta(1) does: pasta --config-net -- SELF",
}

// withoutRoot: pasta(1) makes a USER and a NET namespace, which are the cable's host.
func withoutRoot(f *cause.Facts, object string) bool {
	return strings.Contains(object, "CLONE_NEWNET") && f.CouldBeRoot()
}
