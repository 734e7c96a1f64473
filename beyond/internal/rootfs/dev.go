//go:build linux

package rootfs

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/linux"
)

// NewNet reports whether this process is in another NET namespace than the one that the
// host's /sys shows, and may mount a sysfs for it.
func NewNet() bool {
	var host unix.Statfs_t
	if unix.Statfs("sys", &host) != nil || host.Type != unix.SYSFS_MAGIC {
		return false // the host shows none
	}
	fd, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if err := unix.FsconfigCreate(fd); err != nil {
		return false
	}
	// It is mounted nowhere, but has a device number, one for each NET namespace.
	mount, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC,
		unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC|
			unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return false
	}
	defer unix.Close(mount)
	var ours, hosts unix.Stat_t
	return unix.Fstat(mount, &ours) == nil && unix.Stat("sys", &hosts) == nil &&
		ours.Dev != hosts.Dev
}

// TTYGroup returns the mount option that gives terminals to the group tty, if that has an
// ID in this USER namespace.
func TTYGroup() string {
	const tty = 5 // on all systems
	ids, _ := os.ReadFile("proc/self/gid_map")
	for _, r := range linux.ParseIDMap(string(ids)) {
		if above := tty - r.Inside; above >= 0 && above < r.Count {
			return ",gid=" + strconv.Itoa(tty)
		}
	}
	return ""
}

// A Device is one of the host, and the name of a file to mount it on.
type Device struct{ Source, Target string }

// Devices makes such files in /dev, and the links that are usual there. The terminal that
// this process uses is /dev/console, because it has no name in the new /dev/pts.
func Devices() (devices []Device, err error) {
	dev, err := Place("/dev")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		devices = append(devices, Device{"dev/" + name, dev + "/" + name})
	}
	if name := terminal(); name != "" {
		devices = append(devices, Device{name, dev + "/console"})
	}
	for _, d := range devices {
		if err := os.WriteFile(d.Target, nil, 0o444); err != nil {
			return nil, err
		}
	}
	for _, link := range [][2]string{
		{"pts/ptmx", "ptmx"},
		{"/proc/self/fd", "fd"},
		{"fd/0", "stdin"},
		{"fd/1", "stdout"},
		{"fd/2", "stderr"},
	} {
		if err := os.Symlink(link[0], dev+"/"+link[1]); err != nil {
			return nil, err
		}
	}
	return devices, nil
}

// terminal returns the host's name of the terminal that one of the standard descriptors
// is, or "". In a root file system of another step, the name may be /dev/console. The
// child keeps its standard error at another descriptor until it becomes the command.
func terminal() string {
	for _, fd := range []int{0, 1, int(os.Stderr.Fd())} {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			continue
		}
		var want, got unix.Stat_t
		link, _ := os.Readlink("proc/self/fd/" + strconv.Itoa(fd))
		for _, name := range []string{strings.TrimPrefix(link, "/"), "dev/console"} {
			// Each devpts has its own terminals, of the same numbers.
			if unix.Fstat(fd, &want) == nil && unix.Stat(name, &got) == nil &&
				want.Dev == got.Dev && want.Ino == got.Ino {
				return name
			}
		}
	}
	return ""
}

// ForbidNodes adds the option nodev to the mount of the root directory. The kernel opens
// no device node there then.
func ForbidNodes() error {
	if err := Remount("/", unix.MS_NODEV); err != nil {
		return common.Failed("remount", "/", err)
	}
	return nil
}

// Remount adds an option to a mount, such as MS_RDONLY, and leaves its other options as
// they are: a USER namespace may not take an option away that the host has set.
func Remount(target string, option uintptr) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return err
	}
	flags := unix.MS_REMOUNT | unix.MS_BIND | option
	for has, flag := range map[int64]uintptr{
		unix.ST_RDONLY: unix.MS_RDONLY, unix.ST_NOSUID: unix.MS_NOSUID,
		unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC,
		unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME,
		unix.ST_RELATIME: unix.MS_RELATIME,
	} {
		if fs.Flags&has != 0 {
			flags |= flag
		}
	}
	return unix.Mount("", target, "", flags, "")
}
