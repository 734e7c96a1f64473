//go:build linux

package network

import (
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
)

// Hints are the failures of a program with the option --veth.
var Hints = []common.Hint{
	{Operations: "use network", Cause: cause.Cause{
		ID: "network", Command: "ip -brief address",
		Text: "a link of this machine is in that network already; take another one, for " +
			"example 10.9.7.0/30; to see the networks in use",
	}},
	{Operations: "add link", Errno: unix.EOPNOTSUPP, Cause: cause.Cause{
		ID: "kernel-veth", Command: "SUDOmodprobe veth",
		Text: "this kernel has no veth links, or has not loaded the module",
	}},
	{Operations: "add link", Errno: unix.EPERM, Cause: cause.Cause{
		ID: "cable", Command: "sudo SELF",
		Text: "a cable to the host needs root of the host, because the host gets a link too",
		Or:   "without root, pasta(1) makes a network: pasta --config-net -- sh",
	}},
}
