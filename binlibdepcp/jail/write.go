//go:build linux

package jail

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// prefix begins the temporary names. By itself it is the name of the mark that Begin
// sets.
const prefix = ".binlibdepcp-"

// WriteFile makes a file with this content and these permission bits, whatever the umask.
// The caller owns it.
func (r *Root) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return r.do("write", name, func() error {
		s, err := r.slot(name)
		if err != nil {
			return err
		}
		defer s.release()
		dst, err := s.create()
		if err != nil {
			return err
		}
		_, err = dst.Write(data)
		if err == nil {
			err = unix.Fchmod(int(dst.Fd()), uint32(mode.Perm()))
		}
		return s.commit(closeFile(dst, err))
	})
}

// Symlink makes a symbolic link, unless the same link is there already. It doesn't look
// at the target.
func (r *Root) Symlink(target, name string) error {
	return r.do("symlink", name, func() error {
		s, err := r.slot(name)
		if err != nil {
			return err
		}
		defer s.release()
		if now, err := readlink(s.dir, s.last); err == nil && now == target {
			return nil
		}
		return s.commit(s.make(func() error {
			return unix.Symlinkat(target,
				s.dir, s.tmp)
		}))
	})
}

// Link makes a hard link to a file in the jail, unless the two names are one file
// already. If old is a symbolic link, the link itself gets the second name.
func (r *Root) Link(old, name string) error {
	var from unix.Stat_t
	return r.at("link", old, func(oldDir int, oldLast string) error {
		if err := unix.Fstatat(oldDir, oldLast, &from,
			unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		s, err := r.slot(name)
		if err != nil {
			return r.failed("link", name, err)
		}
		defer s.release()
		if sameFile(&s.there, &from) {
			return nil
		}
		err = s.make(func() error {
			return unix.Linkat(oldDir, oldLast,
				s.dir, s.tmp, 0)
		})
		return r.failed("link", name, s.commit(err))
	})
}

// A slot is the place of an entry that is being made: make or create makes it under a
// temporary name, commit gives it its own name, and release tidies up.
type slot struct {
	root  *Root
	dir   int         // the handle of its directory, until release
	last  string      // its name in there
	tmp   string      // and its temporary name
	there unix.Stat_t // what has the name now; the mode is 0 if nothing has
	made  bool        // there is an entry under the temporary name
	done  []func()    // what release has to do
}

// slot opens the directory of a name, which is made if it isn't there, and looks at what
// has the name.
func (r *Root) slot(name string) (*slot, error) {
	parent, last := split(name)
	dir, done, err := r.directory(parent, true)
	if err != nil {
		return nil, err
	}
	s := &slot{root: r, dir: dir, last: last, tmp: temporary(last)}
	s.done = []func(){r.claim(s.tmp), done}
	err = unix.Fstatat(dir, last, &s.there, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		s.release()
		return nil, err
	}
	return s, nil
}

// make calls a function that makes the entry under its temporary name, and that fails
// with EEXIST if there is such an entry: a run that was killed has left it. It fails
// before that if what has the name has to stay.
func (s *slot) make(entry func() error) error {
	there, isDir := s.there.Mode != 0, isKind(&s.there, unix.S_IFDIR)
	switch {
	case s.root.NoClobber && isDir:
		return fmt.Errorf("%w: %w", unix.EEXIST, unix.EISDIR)
	case s.root.NoClobber && there:
		return unix.EEXIST
	case isDir:
		return unix.EISDIR
	}
	err := entry()
	if errors.Is(err, unix.EEXIST) {
		if err := unix.Unlinkat(s.dir, s.tmp, 0); err != nil {
			return fmt.Errorf("%s is in the way: %w", s.tmp, err)
		}
		err = entry()
	}
	s.made = err == nil
	return err
}

// create makes the entry as an empty file, open for writing.
func (s *slot) create() (dst *os.File, err error) {
	err = s.make(func() error {
		dst, err = create(s.dir, s.tmp)
		return err
	})
	return dst, err
}

// create makes a file that must not be there.
func create(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name,
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// closeFile closes a file. A network file system may say only here that its disk is full
// (close(2)). An error from before comes first.
func closeFile(f *os.File, err error) error {
	closing := f.Close()
	if err == nil {
		err = closing
	}
	return plain(err)
}

// commit gives the entry its name, unless err says that it isn't complete.
func (s *slot) commit(err error) error {
	if err != nil {
		return err
	}
	if s.root.stop.Load() {
		return ErrStopped
	}
	if err := s.root.rename(s.dir, s.tmp, s.last); err != nil {
		return err
	}
	// If both names were links to one file, rename(2) has done nothing.
	s.made = s.there.Mode != 0
	if isKind(&s.there, unix.S_IFLNK) {
		s.root.forget()
	}
	return nil
}

// release removes the temporary entry if it is there, and gives the directory back.
func (s *slot) release() {
	if s.made {
		unix.Unlinkat(s.dir, s.tmp, 0)
	}
	for _, done := range s.done {
		done()
	}
}

func (r *Root) rename(dir int, tmp, last string) error {
	if !r.NoClobber {
		return unix.Renameat(dir, tmp, dir, last)
	}
	err := r.calls.renameat2(dir, tmp, dir, last, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// The file system doesn't know the flag. A link never replaces.
		if err = unix.Linkat(dir, tmp, dir, last, 0); err == nil {
			err = unix.Unlinkat(dir, tmp, 0)
		}
	}
	return err
}

// temporary derives the temporary name. Both have at most NAME_MAX bytes (limits.h(0P)).
func temporary(last string) string {
	if len(prefix)+len(last) <= unix.NAME_MAX {
		return prefix + last
	}
	return prefix + fmt.Sprintf("%x", sha256.Sum256([]byte(last)))
}

// claim waits until no other goroutine uses the temporary name, in whatever directory.
func (r *Root) claim(tmp string) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.busy[tmp] {
		r.freed.Wait()
	}
	r.busy[tmp] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.busy, tmp)
		r.freed.Broadcast()
	}
}
