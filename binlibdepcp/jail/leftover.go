//go:build linux

package jail

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ImagePattern is the name of the directories, in os.TempDir, in which binlibdepcp makes
// the jail of an image.
const ImagePattern = "binlibdepcp-image-*"

// maxEntries is how many files and directories a look for leftovers may come to.
const maxEntries = 1_000_000

var errEntries = errors.New("more than 1000000 files in the jail")

// Begin marks the jail as being written to, until Close. If the mark of an earlier run is
// there, that run was killed or left directories unfinished, and Begin removes the
// temporary files that it has left.
// Only then does Begin look through the whole jail. Its error is that of Leftovers.
func (r *Root) Begin() error {
	return r.do("mark", "", func() error {
		f, err := create(r.handle, prefix)
		if err == nil {
			err = f.Close()
		}
		r.resumed = errors.Is(err, unix.EEXIST)
		r.marked = err == nil || r.resumed
		if !r.resumed {
			return nil // a disk that is full tells so at the first file
		}
		var failed []error
		err = r.sweep(func(name string, remove func() error) {
			if name != r.path(prefix) { // which is this run's now
				failed = append(failed, remove())
			}
		})
		return errors.Join(append(failed, err)...)
	})
}

// Leftovers calls found with each temporary file, and the function that removes it.
// Because this run has the lock, a run that was killed has left the file. It looks
// neither behind symbolic links nor below what is mounted in the jail. The error joins
// those of the directories that it can't read.
func (r *Root) Leftovers(found func(name string, remove func() error)) error {
	return r.do("read", "", func() error { return r.sweep(found) })
}

func (r *Root) sweep(found func(name string, remove func() error)) error {
	s := &sweeper{root: r, mount: mountOf(r.handle), found: found, left: maxEntries}
	return s.directory(r.handle, "")
}

// A sweeper looks for leftovers.
type sweeper struct {
	root  *Root
	mount uint64 // where it stays
	found func(name string, remove func() error)
	left  int // so many entries may still come
}

// directory looks into an open directory.
func (s *sweeper) directory(dir int, name string) error {
	names, err := readNames(dir, s.left)
	s.left -= len(names)
	if err != nil {
		return s.root.failed("read", name, err)
	}
	var failed []error
	for _, last := range names {
		failed = append(failed, s.entry(dir, last, name+"/"+last))
	}
	return errors.Join(failed...)
}

// kinds are the kinds of files that are made under temporary names.
var kinds = []uint32{unix.S_IFREG, unix.S_IFLNK, unix.S_IFCHR, unix.S_IFBLK}

func (s *sweeper) entry(dir int, last, path string) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, last, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == unix.ENOENT: // by now
	case err != nil:
		return s.root.failed("stat", path, err)
	case isKind(&st, unix.S_IFDIR):
		return s.descend(dir, last, path)
	case strings.HasPrefix(last, prefix) && slices.Contains(kinds, st.Mode&unix.S_IFMT):
		s.found(s.root.path(path), func() error {
			return s.root.failed("remove", path, unix.Unlinkat(dir, last, 0))
		})
	}
	return nil
}

func (s *sweeper) descend(dir int, last, path string) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW |
		unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, last, flags, 0)
	// replaced meanwhile
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil
	}
	if err != nil {
		return s.root.failed("open", path, err)
	}
	defer unix.Close(fd)
	if mountOf(fd) != s.mount {
		return nil
	}
	return s.directory(fd, path)
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

// readNames returns the names in an open directory, sorted, of which there may be so
// many.
func readNames(dir, limit int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	names, err := f.Readdirnames(limit + 1)
	if errors.Is(err, io.EOF) { // it is empty
		err = nil
	}
	if err == nil && len(names) > limit {
		return nil, errEntries
	}
	slices.Sort(names)
	return names, plain(err)
}

// IsEmpty reports whether a directory has no entries. A symbolic link in its place isn't
// followed.
func (r *Root) IsEmpty(name string) (empty bool, err error) {
	err = r.at("read", name, func(dir int, last string) error {
		fd, err := unix.Openat(dir, last,
			unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		names, err := readNames(fd, maxEntries)
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
