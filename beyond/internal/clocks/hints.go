//go:build linux

package clocks

import (
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
)

// Hints are the failures of the option --time.
var Hints = []common.Hint{
	{Operations: "write", Errno: unix.ERANGE, Cause: cause.Cause{
		ID: "range", Command: "cat /proc/uptime",
		Text: "a clock can't show less than 0, or more than 146 years; this prints its " +
			"seconds now",
	}},
	{Operations: "write", Errno: unix.EPERM, Cause: cause.Cause{
		ID: "sys-time", Command: "grep CapEff /proc/$$/status",
		Text: "to set clocks you need CAP_SYS_TIME (bit 25), even those of your own TIME " +
			"namespace; to see what you have",
		Or: "in a Docker container: docker run --cap-add SYS_TIME --cap-add SYS_ADMIN",
	}},
}
