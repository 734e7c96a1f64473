//go:build linux

package rootfs

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
)

// The functions of this file are called between pivot_root(2) and the unmount of the old
// root: the root directory is the new one, the working directory is the old one. Names
// with a slash in front are inside, names without are the host's.

// Place makes a directory inside unless it is there, and returns a name for it. No
// symbolic link of the image leads out, even if the image is changed meanwhile. The name
// is good until execve(2).
func Place(dir string) (name string, err error) {
	fd, err := open(dir)
	if errors.Is(err, unix.ENOENT) {
		var parent int
		if parent, err = open(path.Dir(dir)); err == nil {
			err = unix.Mkdirat(parent, path.Base(dir), 0o755)
			unix.Close(parent)
		}
		if err == nil {
			fd, err = open(dir)
		}
	}
	if err != nil {
		return "", common.Failed("mkdir", dir, err)
	}
	return "proc/self/fd/" + strconv.Itoa(fd), nil
}

// open opens a directory inside.
func open(dir string) (fd int, err error) {
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	return openAt(root, dir)
}

// openAt opens a directory below a root directory, and follows links itself: the old root
// is mounted on the new one, and ".." in a root directory leads to what is mounted on it,
// even with RESOLVE_IN_ROOT of openat2(2).
func openAt(root int, dir string) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS,
	}
	at := "." // a name without links and ".."
	for links := 0; ; {
		if fd, err = unix.Openat2(root, at, &how); err != nil {
			return -1, err
		}
		link, isLink := readlink(fd)
		if !isLink && dir == "" && isDirectory(fd) {
			return fd, nil
		}
		unix.Close(fd)
		if !isLink && dir == "" {
			return -1, unix.ENOTDIR
		}
		if isLink {
			if links++; links > 40 { // as in the kernel (path_resolution(7))
				return -1, unix.ELOOP
			}
			dir = link + "/" + dir
			if at = path.Dir(at); dir[0] == '/' {
				at = "."
			}
		}
		var name string
		name, dir, _ = strings.Cut(strings.TrimLeft(dir, "/"), "/")
		if at = path.Join(at, name); at == ".." {
			at = "."
		}
	}
}

// readlink returns the text of a symbolic link that is open.
func readlink(fd int) (text string, ok bool) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	return string(buffer[:max(n, 0)]), err == nil
}

func isDirectory(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// NewNet reports whether this process is in another NET namespace than the one that the
// host's /sys shows, and may mount a sysfs for it.
func NewNet() bool {
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
	for line := range strings.Lines(string(ids)) {
		if inside, err := strconv.Atoi(strings.Fields(line)[0]); err == nil {
			count, err := strconv.Atoi(strings.Fields(line)[2])
			if err == nil && inside <= tty && tty < inside+count {
				return ",gid=" + strconv.Itoa(tty)
			}
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
// is, or "". In a root file system of another step, the name may be /dev/console.
func terminal() string {
	for fd := range 3 {
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

// RemountReadOnly makes a mount read-only, and leaves its other options as they are: a
// USER namespace may not take an option away that the host has set.
func RemountReadOnly(target string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return err
	}
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY)
	for option, flag := range map[int64]uintptr{
		unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV,
		unix.ST_NOEXEC: unix.MS_NOEXEC, unix.ST_NOATIME: unix.MS_NOATIME,
		unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME,
	} {
		if fs.Flags&option != 0 {
			flags |= flag
		}
	}
	return unix.Mount("", target, "", flags, "")
}
