//go:build linux

// Package rootfs is what the programs with the option --root need beside their lessons.
package rootfs

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cmdline"
)

// CheckRoot checks the value of the option --root, and that it goes with --mnt.
func CheckRoot(c *cli.Context, dir string) error {
	switch {
	case dir == "":
		return cmdline.Usagef("--root takes a directory")
	case dir[0] == '-':
		return cmdline.Usagef("%s is no directory: an option with a value comes last", dir)
	case !c.Bool("mnt"):
		return cmdline.Usagef("--root needs --mnt: it changes the list of mounts")
	}
	return nil
}

// Required returns what is wrong if the option --root is missing.
func Required(c *cli.Context) error {
	if c.String("root") == "" {
		return cmdline.Usagef("%s needs --root, the directory of an image", c.App.Name)
	}
	return nil
}

// NeedsRoot returns a check of an option that goes with --root only.
func NeedsRoot(option string) func(*cli.Context, bool) error {
	return func(c *cli.Context, _ bool) error {
		if !c.IsSet("root") {
			return cmdline.Usagef("%s needs --root: it would change the host's directories",
				option)
		}
		return nil
	}
}

// Name returns a name for a directory that leads to what will be mounted on it. The name
// "." doesn't: it stands for the directory below the mount.
func Name(dir string) (string, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", common.Failed("open", dir, err)
	}
	defer unix.Close(fd)
	if strings.HasPrefix(dir, "/") {
		return dir, nil
	}
	for component := range strings.SplitSeq(dir, "/") {
		if component != "" && component != "." {
			return dir, nil
		}
	}
	return os.Getwd()
}

// Proc returns a name for the directory on which a new proc is mounted. A link of the
// image could lead to the old root, which lies over the new one.
func Proc(c *cli.Context) (name string, err error) {
	if c.IsSet("root") {
		return Place("/proc")
	}
	return "/proc", nil
}
