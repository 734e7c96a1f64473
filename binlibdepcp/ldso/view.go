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

// host has names without links for os, but for races.
type host struct{}

func (host) Open(name string) (fs.File,
	error,
) {
	return os.OpenFile("/"+name, openFlags, 0)
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
