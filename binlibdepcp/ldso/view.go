//go:build linux

package ldso

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Host returns a view of this machine's files.
func Host() fs.ReadLinkFS { return host{} }

// Below returns a view of the files below a directory, such as a root file system for
// another machine. No link leads out of it.
func Below(dir string) (fs.ReadLinkFS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return below{root}, nil
}

// A FIFO without a writer would keep open(2) waiting.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_NOCTTY

// host gets names without links.
type host struct{}

// Open refuses a link that somebody has put in the place of a directory meanwhile.
// O_NOFOLLOW is for the last component only (open(2)).
func (host) Open(name string) (fs.File, error) {
	name = "/" + name
	how := unix.OpenHow{
		Flags: uint64(openFlags) | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
	}
	for {
		fd, err := unix.Openat2(unix.AT_FDCWD, name, &how)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), name), nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM: // a seccomp filter
			return os.OpenFile(name, openFlags, 0)
		default:
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}
func (host) Lstat(name string) (fs.FileInfo, error) { return os.Lstat("/" + name) }
func (host) ReadLink(name string) (target string,
	_ error,
) {
	return os.Readlink("/" + name)
}

// below has them for os.Root, which refuses absolute links, and so never meets one.
type below struct{ root *os.Root }

func (b below) Open(name string) (fs.File,
	error,
) {
	return b.root.OpenFile(name, openFlags, 0)
}

func (b below) Lstat(name string) (fs.FileInfo,
	error,
) {
	return b.root.Lstat(name)
}

func (b below) ReadLink(name string) (target string,
	_ error,
) {
	return b.root.Readlink(name)
}
