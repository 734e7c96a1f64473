//go:build linux

package rootfs

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
)

// The functions of this file and of dev.go are called between pivot_root(2) and the
// unmount of the old root: the root directory is the new one, the working directory is
// the old one. Names with a slash in front are inside, names without are the host's.

// Place makes a directory inside unless it is there, and returns a name for it. No
// symbolic link of the image leads out, even if the image is changed meanwhile. The name
// is good until execve(2). workshop cleanup knows a directory that a step has made by its
// mode, 555, as for the /proc of step6-chroot.
func Place(dir string) (name string, err error) {
	fd, err := open(dir)
	if errors.Is(err, unix.ENOENT) {
		var parent int
		if parent, err = open(path.Dir(dir)); err == nil {
			err = unix.Mkdirat(parent, path.Base(dir), 0o555)
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
