//go:build linux

package jail

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Stat returns what stat(2) would tell a process inside the jail.
func (r *Root) Stat(name string) (st unix.Stat_t, err error) {
	err = r.do("stat", name, func() (err error) {
		st, err = r.stat(trim(name))
		return err
	})
	return st, err
}

// Lstat is like Stat, but of a symbolic link it tells about the link itself.
func (r *Root) Lstat(name string) (st unix.Stat_t, err error) {
	err = r.at("lstat", name, func(dir int, last string) error {
		return unix.Fstatat(dir, last, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

// ReadFile returns the content of a regular file of at most limit bytes: the error is
// EFBIG if it has more, and ErrNotRegular if it is no such file.
func (r *Root) ReadFile(name string, limit int64) (data []byte, err error) {
	err = r.do("read", name, func() error {
		// A look first, since opening a device can have effects; then at what was opened.
		st, err := r.stat(trim(name))
		if err != nil {
			return err
		}
		if !isKind(&st, unix.S_IFREG) {
			return ErrNotRegular
		}
		fd, err := r.open(trim(name), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if !isKind(&st, unix.S_IFREG) {
			return ErrNotRegular
		}
		data, err = io.ReadAll(io.LimitReader(f, limit+1))
		if err == nil && int64(len(data)) > limit {
			data = nil
			return fmt.Errorf("%w: more than %d bytes", unix.EFBIG, limit)
		}
		return plain(err)
	})
	return data, err
}

// at runs an operation on the last component of a name, in a directory that is there.
func (r *Root) at(op, name string, f func(dir int, last string) error) error {
	return r.do(op, name, func() error {
		parent, last := split(name)
		dir, done, err := r.directory(parent, false)
		if err != nil {
			return err
		}
		defer done()
		return f(dir, last)
	})
}

func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax) // no target is longer: symlink(7)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
