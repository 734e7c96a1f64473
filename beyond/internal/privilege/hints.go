//go:build linux

package privilege

import (
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
)

// Hints are the failures of the option --limit.
var Hints = []common.Hint{
	{Operations: "drop capability", Errno: unix.EPERM, When: isRoot, Cause: cause.Cause{
		ID: "setpcap", Command: "grep Cap /proc/$$/status",
		Text: "root lacks CAP_SETPCAP here, so its bounding set stays as it is; to see " +
			"the sets",
	}},
}

func isRoot(f *cause.Facts, _ string) bool { return f.UID == 0 }
