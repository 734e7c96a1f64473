//go:build linux

package rootfs

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/linux"
)

// Layers makes the directories of an overlay of the working directory. The root directory
// of the overlay has the mode and the owner of upper, which are those of the image then.
func Layers(upper, work, root string) error {
	for _, name := range []string{upper, work, root} {
		if err := os.Mkdir(name, 0o755); err != nil {
			return err
		}
	}
	var image unix.Stat_t
	if err := unix.Stat(".", &image); err != nil {
		return common.Failed("stat", ".", err)
	}
	err := unix.Chown(upper, int(image.Uid), int(image.Gid))
	if err != nil && err != unix.EINVAL && err != unix.EPERM { // the owner has no ID in here
		return err
	}
	return unix.Chmod(upper, image.Mode&0o7777) // after chown(2), which clears bits
}

// Xattrs returns the mount option of an overlay that says where it keeps its notes: in
// extended attributes "user.overlay", which root of a USER namespace may set. The usual
// ones, "trusted.overlay", need root of the machine (see xattr(7)). The layer for changes
// is /tmp/upper, on a tmpfs. A tmpfs has attributes of users from Linux 6.6 on, if the
// kernel was built with CONFIG_TMPFS_XATTR.
func Xattrs(c *cli.Context) string {
	if linux.InInitialUser() {
		return ""
	}
	_, err := unix.Getxattr("/tmp/upper", "user.overlay.opaque", nil)
	if err == unix.EOPNOTSUPP && linux.Since(5, 11) { // before, there is no overlay at all
		fmt.Fprintf(os.Stderr, "%s: here only root of the machine can delete a directory of "+
			"an image (Input/output error): a tmpfs has attributes of users from Linux 6.6 "+
			"on, with CONFIG_TMPFS_XATTR\n", c.App.Name)
	}
	return ",userxattr"
}
