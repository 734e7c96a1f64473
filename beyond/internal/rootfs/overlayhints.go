//go:build linux

package rootfs

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
	"nsteps/internal/linux"
)

const mountOverlay = "mount overlay of"

// OverlayHints are the failures of a program with the option --overlay, besides Hints.
var OverlayHints = append([]common.Hint{
	{Operations: mountOverlay, Errno: unix.ENODEV, Cause: cause.Cause{
		ID: "no-overlay", Command: "SUDOmodprobe overlay",
		Text: "this kernel has no overlay file system, or its module isn't loaded",
	}},
	{Operations: mountOverlay, Errno: unix.EPERM, When: mappedRoot, Cause: cause.Cause{
		ID: "old-overlay", Command: "uname -r",
		Text: "before Linux 5.11 only root of the machine may mount an overlay; to see " +
			"which kernel it is",
	}},
	{Operations: mountOverlay, Errno: unix.EINVAL, When: mountsBelow, Cause: cause.Cause{
		ID: "mounts-below", Command: "findmnt -R -T OBJECT",
		Text: "an overlay would show what mounts below the directory hide, which only " +
			"root of the machine may do; to see these mounts",
	}},
	{Operations: mountOverlay, Errno: unix.EINVAL, Cause: cause.Cause{
		ID: "overlays", Command: "SUDOdmesg | grep overlayfs",
		Text: "the directory may be an overlay of an overlay already; to see the reason",
	}},
	{Operations: "mount tmpfs on", Errno: unix.ENOENT, Cause: cause.Cause{
		ID: "no-tmp", Text: "the layer for changes needs a directory to mount it on",
		Command: "SUDOmkdir -m 1777 OBJECT",
	}},
}, Hints...)

// mountsBelow reports whether there are mounts below the working directory, which is the
// image, and this is root of a USER namespace.
func mountsBelow(f *cause.Facts, object string) bool {
	image, err := os.Getwd()
	if err != nil || !mappedRoot(f, object) {
		return false
	}
	below := strings.TrimRight(image, "/") + "/"
	for _, m := range linux.ParseMounts(cause.Root{}.Read("/proc/self/mountinfo")) {
		if m.Point != "/" && strings.HasPrefix(m.Point, below) {
			return true
		}
	}
	return false
}
