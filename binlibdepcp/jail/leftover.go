//go:build linux

package jail

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Leftovers calls found with each temporary file, and the function that removes it. As this
// run has the lock, it is one that a killed run has left. It looks neither behind symbolic
// links nor below what is mounted in the jail. The error joins those of the directories that
// it can't read.
func (r *Root) Leftovers(found func(name string, remove func() error)) error {
	return r.do("read", "", func() error {
		return r.leftovers(r.handle, "", mountOf(r.handle), found)
	})
}

func (r *Root) leftovers(dir int, name string, mount uint64, found func(string, func() error)) error {
	names, err := readNames(dir)
	if err != nil {
		return r.failed("read", name, err)
	}
	var failed []error
	for _, last := range names {
		var st unix.Stat_t
		path := name + "/" + last
		err := unix.Fstatat(dir, last, &st, unix.AT_SYMLINK_NOFOLLOW)
		switch {
		case err == unix.ENOENT: // by now
		case err != nil:
			failed = append(failed, r.failed("stat", path, err))
		case isKind(&st, unix.S_IFDIR):
			failed = append(failed, r.descend(dir, last, path, mount, found))
		case strings.HasPrefix(last, prefix) && (isKind(&st, unix.S_IFREG) || isKind(&st, unix.S_IFLNK)):
			found(r.path(path), func() error {
				return r.failed("remove", path, unix.Unlinkat(dir, last, 0))
			})
		}
	}
	return errors.Join(failed...)
}

func (r *Root) descend(dir int, last, path string, mount uint64, found func(string, func() error)) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, last, flags, 0)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP { // replaced meanwhile
		return nil
	}
	if err != nil {
		return r.failed("open", path, err)
	}
	defer unix.Close(fd)
	if mountOf(fd) != mount {
		return nil
	}
	return r.leftovers(fd, path, mount, found)
}

// mountOf returns what tells mounts apart: the device doesn't where a directory of the
// same file system is mounted, mount(2) MS_BIND.
func mountOf(fd int) uint64 {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return 0
	}
	return st.Mnt_id
}

// readNames returns the names in an open directory, sorted.
func readNames(dir int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, plain(err)
}

// IsEmpty reports whether a directory has no entries. A symbolic link in its place isn't
// followed.
func (r *Root) IsEmpty(name string) (empty bool, err error) {
	err = r.at("read", name, func(dir int, last string) error {
		fd, err := unix.Openat(dir, last, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		names, err := readNames(fd)
		empty = err == nil && len(names) == 0
		return err
	})
	return empty, err
}

// Rmdir removes a directory that is empty and has nothing mounted on it here. The kernel
// takes what another mount namespace has mounted on it away there: rmdir(2) has no EBUSY
// for that.
func (r *Root) Rmdir(name string) error {
	return r.at("remove", name, func(dir int, last string) error {
		return unix.Unlinkat(dir, last, unix.AT_REMOVEDIR)
	})
}
