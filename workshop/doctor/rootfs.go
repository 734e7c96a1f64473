//go:build linux

package doctor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// devices does what step 9 does, on the host's /dev: a new one with new terminals, and a
// device of the host in it, read-only.
func devices() error {
	if err := private(); err != nil {
		return err
	}
	null, err := os.OpenFile("/dev/null", unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// The host's is hidden then.
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return linux.Failed("mount tmpfs on", "/dev", err)
	}
	if err := os.Mkdir("/dev/pts", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID, ""); err != nil {
		return linux.Failed("mount devpts on", "/dev/pts", err)
	}
	if err := os.WriteFile("/dev/null", nil, 0o444); err != nil {
		return err
	}
	source := fmt.Sprintf("/proc/self/fd/%d", null.Fd())
	if err := unix.Mount(source, "/dev/null", "", unix.MS_BIND, ""); err != nil {
		return linux.Failed("bind mount", "/dev/null", err)
	}
	return os.WriteFile("/dev/null", []byte("data"), 0)
}

// overlay does what step 10 does, with a file to delete.
func overlay() error {
	if err := private(); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""); err != nil {
		return linux.Failed("mount tmpfs on", "/tmp", err)
	}
	for _, name := range []string{"image", "upper", "work", "root"} {
		if err := os.Mkdir("/tmp/"+name, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/tmp/image/file", nil, 0o644); err != nil {
		return err
	}
	layers := "lowerdir=/tmp/image,upperdir=/tmp/upper,workdir=/tmp/work"
	if !linux.InInitialUser() {
		layers += ",userxattr"
	}
	if err := unix.Mount("overlay", "/tmp/root", "overlay", 0, layers); err != nil {
		return linux.Failed("mount overlay of", "/tmp/image", err)
	}
	return os.Remove("/tmp/root/file")
}
