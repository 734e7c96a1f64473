//go:build linux

package jail

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mkdir makes a directory that only the caller can enter, and those above it as MkdirAll
// does. It reports whether KeepDir has to follow: what is there already stays as it is,
// except for a directory that a killed or stopped run has made and not given to KeepDir.
// The error is ENOTDIR if what is there is no directory.
func (r *Root) Mkdir(name string) (made bool, err error) {
	err = r.do("mkdir", name, func() error {
		parent, last := split(name)
		dir, done, err := r.directory(parent, true)
		if err != nil {
			return err
		}
		defer done()
		err = unix.Mkdirat(dir, last, 0o700)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		if made = err == nil || r.isUnfinished(dir, last); made {
			return r.remember(dir, last, name)
		}
		_, done, err = r.directory(trim(name), true) // it may be a link to one
		if err == nil {
			done()
		}
		return err
	})
	return made, err
}

// isUnfinished reports whether an earlier run has made a directory, and was killed or
// stopped before it gave the directory another mode.
func (r *Root) isUnfinished(dir int, last string) bool {
	var st unix.Stat_t
	return r.resumed &&
		unix.Fstatat(dir, last, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		isKind(&st, unix.S_IFDIR) && st.Mode&0o777 == 0o700 &&
		st.Uid == uint32(os.Geteuid())
}

// remember notes which directory KeepDir has to find.
func (r *Root) remember(dir int, last, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, last, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.unfinished[trim(name)] = st
	}
	return err
}

// KeepDir gives a directory that Mkdir has made the owner, mode and times of another one.
// What it lost is returned, as by Copy. The error is ErrChanged if another directory has
// the name now.
func (r *Root) KeepDir(name string, like *syscall.Stat_t) (dropped []string, err error) {
	err = r.at("chmod", name, func(dir int, last string) error {
		fd, err := unix.Openat(dir, last,
			unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := r.isRemembered(fd, name); err != nil {
			return err
		}
		st := unix.Stat_t{Mode: like.Mode, Uid: like.Uid, Gid: like.Gid}
		if dropped, err = r.keep(fd, -1, &st); err != nil {
			return err
		}
		times := []unix.Timespec{unix.Timespec(like.Atim), unix.Timespec(like.Mtim)}
		return unix.UtimesNanoAt(dir, last, times, unix.AT_SYMLINK_NOFOLLOW)
	})
	if !errors.Is(err, ErrStopped) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.unfinished, trim(name))
	}
	return dropped, err
}

// isRemembered returns ErrChanged unless Mkdir has made an open directory by this name.
func (r *Root) isRemembered(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	made, ok := r.unfinished[trim(name)]
	if !ok || !sameFile(&made, &st) {
		return ErrChanged
	}
	return nil
}

// umask is held while the umask is another one: the whole process has only one umask.
var umask sync.Mutex

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
			umask.Lock()
			defer umask.Unlock()
			defer unix.Umask(unix.Umask(0))
			return unix.Mknodat(s.dir, s.tmp, mode&(unix.S_IFMT|0o777), int(dev))
		}))
	})
}
