//go:build linux

package jail

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mkdir makes a directory that only the caller can enter, and those above it as MkdirAll
// does. It reports whether it did: what is there already stays as it is. The error is
// ENOTDIR if that is no directory.
func (r *Root) Mkdir(name string) (made bool, err error) {
	err = r.do("mkdir", name, func() error {
		parent, last := split(name)
		dir, done, err := r.directory(parent, true)
		if err != nil {
			return err
		}
		defer done()
		err = unix.Mkdirat(dir, last, 0o700)
		if made = err == nil; made || !errors.Is(err, unix.EEXIST) {
			return err
		}
		_, done, err = r.directory(trim(name), true) // it may be a link to one
		if err == nil {
			done()
		}
		return err
	})
	return made, err
}

// KeepDir gives a directory that Mkdir has made the owner, mode and times of another one.
// What it lost is returned, as by Copy.
func (r *Root) KeepDir(name string, like *syscall.Stat_t) (dropped []string, err error) {
	err = r.at("chmod", name, func(dir int, last string) error {
		fd, err := unix.Openat(dir, last,
			unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		st := unix.Stat_t{Mode: like.Mode, Uid: like.Uid, Gid: like.Gid}
		if dropped, err = r.keep(fd, -1, &st); err != nil {
			return err
		}
		times := []unix.Timespec{unix.Timespec(like.Atim), unix.Timespec(like.Mtim)}
		return unix.UtimesNanoAt(dir, last, times, unix.AT_SYMLINK_NOFOLLOW)
	})
	return dropped, err
}

// Device makes a device, unless the same one is there: mknod(2). mode has its type and
// its permission bits, dev its number. Only the host's root can make devices, and the
// error is EPERM for others.
func (r *Root) Device(name string, mode uint32, dev uint64) error {
	return r.do("mknod", name, func() error {
		s, err := r.slot(name)
		if err != nil {
			return err
		}
		defer s.release()
		if isKind(&s.there, mode&unix.S_IFMT) && s.there.Rdev == dev {
			return nil
		}
		return s.commit(s.make(func() error {
			// chmod(2) of a device has no form that doesn't follow a link before Linux
			// 6.6.
			defer unix.Umask(unix.Umask(0))
			return unix.Mknodat(s.dir, s.tmp, mode&(unix.S_IFMT|0o777), int(dev))
		}))
	})
}
