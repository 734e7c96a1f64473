//go:build linux

package verify

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// routes looks for a default route, and for the other end of a cable.
func (f *facts) routes() error {
	text, err := os.ReadFile(file(f.PID, "net/route"))
	if err != nil {
		return err
	}
	f.Routed, f.gateway = parseRoutes(string(text))
	return nil
}

// parseRoutes reads /proc/PID/net/route: it has a line for a route, with destination,
// gateway and mask as hexadecimal numbers (proc_pid_net(5)). A default route leads to
// 0.0.0.0/0. The first network without a gateway is that of the cable, and step11-veth
// gives its first address to the host's end.
func parseRoutes(text string) (routed bool, gateway string) {
	const none = "00000000"
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		destination, via, mask := fields[1], fields[2], fields[7]
		number, err := strconv.ParseUint(destination, 16, 32)
		switch {
		case err != nil: // the headline
		case destination == none && mask == none:
			routed = true
		case via == none && gateway == "":
			var network [4]byte
			binary.NativeEndian.PutUint32(network[:], uint32(number))
			gateway = netip.AddrFrom4(network).Next().String()
		}
	}
	return routed, gateway
}

// throughCable is the command for a default route.
func throughCable(f *facts) command {
	gateway := "10.9.8.1" // of the chapter
	if f.gateway != "" {
		gateway = f.gateway
	}
	return command{"", "ip route add default via " + gateway}
}
