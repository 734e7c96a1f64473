//go:build linux

package jail

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// prefix begins the temporary names.
const prefix = ".binlibdepcp-"

// chunk is how many bytes are copied between two looks for Stop.
const chunk = 16 << 20

// Copy copies an open regular file, from its start, with owner, mode, times and file
// capabilities. If the caller can't give it that owner, not being root for one, the copy is
// the caller's and loses setuid and setgid; it loses capabilities that can't be set. What
// it lost is returned: some of "setuid", "setgid" and "capabilities", in this order.
//
// The error is ErrChanged, with the path of src, if that was written to meanwhile. A file
// that is in its own place already, because the jail is / for one, is left as it is. If a
// hard link to it is there, that is replaced by a copy: a jail doesn't share files with the
// host.
//
// The offset of src is used, so that a second Copy of the same *os.File has to wait.
func (r *Root) Copy(src *os.File, name string) (dropped []string, err error) {
	var before, after unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &before); err != nil {
		return nil, &fs.PathError{Op: "copy", Path: src.Name(), Err: err}
	}
	if !isKind(&before, unix.S_IFREG) {
		return nil, &fs.PathError{Op: "copy", Path: src.Name(), Err: ErrNotRegular}
	}
	inPlace := func(_ int, _ string, there *unix.Stat_t) bool {
		return sameFile(there, &before) && before.Nlink == 1
	}
	err = r.place("copy", name, inPlace, func(dir int, tmp string) error {
		var copied int64
		err := create(dir, tmp, func(dst *os.File) (err error) {
			if copied, err = r.transfer(dst, src, before.Size); err != nil {
				return err
			}
			dropped, err = keep(int(dst.Fd()), int(src.Fd()), &before)
			return err
		})
		if err != nil {
			return err
		}
		if err := unix.Fstat(int(src.Fd()), &after); err != nil {
			return err
		}
		if copied != before.Size || after.Size != before.Size ||
			after.Mtim != before.Mtim || after.Ctim != before.Ctim {
			return &fs.PathError{Op: "copy", Path: src.Name(), Err: ErrChanged}
		}
		times := []unix.Timespec{before.Atim, before.Mtim}
		return unix.UtimesNanoAt(dir, tmp, times, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return nil, err
	}
	return dropped, nil
}

// WriteFile makes a file of the caller's with this content and these permission bits,
// whatever the umask.
func (r *Root) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return r.place("write", name, nil, func(dir int, tmp string) error {
		return create(dir, tmp, func(f *os.File) error {
			if _, err := f.Write(data); err != nil {
				return err
			}
			return unix.Fchmod(int(f.Fd()), uint32(mode.Perm()))
		})
	})
}

// Symlink makes a symbolic link, unless the same one is there already. The target is not
// looked at.
func (r *Root) Symlink(target, name string) error {
	inPlace := func(dir int, last string, there *unix.Stat_t) bool {
		now, err := readlink(dir, last)
		return err == nil && now == target
	}
	return r.place("symlink", name, inPlace, func(dir int, tmp string) error {
		return unix.Symlinkat(target, dir, tmp)
	})
}

// Link makes a hard link to a file in the jail, unless the two names are one file already.
// If old is a symbolic link, it is that which gets a second name.
func (r *Root) Link(old, name string) error {
	var from unix.Stat_t
	return r.at("link", old, func(oldDir int, oldLast string) error {
		if err := unix.Fstatat(oldDir, oldLast, &from, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		inPlace := func(_ int, _ string, there *unix.Stat_t) bool {
			return sameFile(there, &from)
		}
		err := r.put(name, inPlace, func(dir int, tmp string) error {
			return unix.Linkat(oldDir, oldLast, dir, tmp, 0)
		})
		return r.failed("link", name, err)
	})
}

// A check says whether what is there already, under a name in a directory, is what is
// wanted there. It may be nil.
type check func(dir int, last string, there *unix.Stat_t) bool

// A maker makes an entry of this name in a directory, and fails with EEXIST if there is one.
type maker func(dir int, tmp string) error

// place is put, as an operation of its own.
func (r *Root) place(op, name string, inPlace check, write maker) error {
	return r.do(op, name, func() error { return r.put(name, inPlace, write) })
}

// put has an entry made under a temporary name beside its place, and renames it.
func (r *Root) put(name string, inPlace check, write maker) error {
	parent, last := split(name)
	dir, done, err := r.directory(parent, true)
	if err != nil {
		return err
	}
	defer done()
	tmp := temporary(last)
	defer r.claim(tmp)()

	var there unix.Stat_t
	err = unix.Fstatat(dir, last, &there, unix.AT_SYMLINK_NOFOLLOW)
	isDir := err == nil && isKind(&there, unix.S_IFDIR)
	switch {
	case err == unix.ENOENT:
	case err != nil:
		return err
	case inPlace != nil && inPlace(dir, last, &there):
		return nil
	case r.NoClobber && isDir:
		return fmt.Errorf("%w: %w", unix.EEXIST, unix.EISDIR)
	case r.NoClobber:
		return unix.EEXIST
	case isDir:
		return unix.EISDIR
	}
	err = write(dir, tmp)
	if err == unix.EEXIST { // a run that was killed has left it
		if err := unix.Unlinkat(dir, tmp, 0); err != nil {
			return r.failed("remove", parent+"/"+tmp, err)
		}
		err = write(dir, tmp)
	}
	if err == nil && r.stop.Load() {
		err = ErrStopped
	}
	if err == nil {
		err = r.rename(dir, tmp, last)
	}
	// If both were links to one file, rename(2) has done nothing.
	if replaced := there.Mode != 0; err != nil || replaced {
		unix.Unlinkat(dir, tmp, 0)
	}
	if isKind(&there, unix.S_IFLNK) {
		r.forget()
	}
	return err
}

func (r *Root) rename(dir int, tmp, last string) error {
	if !r.NoClobber {
		return unix.Renameat(dir, tmp, dir, last)
	}
	err := r.calls.renameat2(dir, tmp, dir, last, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS {
		// The file system doesn't know the flag. A link never replaces.
		if err = unix.Linkat(dir, tmp, dir, last, 0); err == nil {
			err = unix.Unlinkat(dir, tmp, 0)
		}
	}
	return err
}

// temporary derives the temporary name. Both have at most NAME_MAX bytes: limits.h(0P).
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

// create makes a file that must not be there, and has it filled.
func create(dir int, name string, fill func(*os.File) error) error {
	fd, err := unix.Openat(dir, name,
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	err = fill(f)
	// Only here may a network file system say that its disk is full: close(2).
	if closing := f.Close(); err == nil {
		err = closing
	}
	return plain(err)
}

// transfer copies as much of src as it was said to have.
func (r *Root) transfer(dst, src *os.File, size int64) (copied int64, err error) {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	for copied < size || size == 0 && copied == 0 { // which files of /proc are said to have
		if r.stop.Load() {
			return copied, ErrStopped
		}
		n, err := copyChunk(dst, src, copyRange, sendFile)
		copied += n
		if err != nil || n == 0 {
			return copied, err
		}
	}
	return copied, nil
}

// copyRange shares the blocks where the file system can. It isn't there from one file
// system to another: copy_file_range(2).
func copyRange(dst, src int) (int, error) { return unix.CopyFileRange(src, nil, dst, nil, chunk, 0) }

// sendFile is, and takes a third off the time of reading and writing: sendfile(2).
func sendFile(dst, src int) (int, error) { return unix.Sendfile(dst, src, nil, chunk) }

// copyChunk copies some bytes on from the offset of each file, none at the end of src, by
// the first of the system calls that can.
func copyChunk(dst, src *os.File, calls ...func(dst, src int) (int, error)) (int64, error) {
	for _, call := range calls {
		n, err := call(int(dst.Fd()), int(src.Fd()))
		for err == unix.EINTR {
			n, err = call(int(dst.Fd()), int(src.Fd()))
		}
		// Before Linux 5.19, copy_file_range copied nothing of some files, without an error.
		if n > 0 || err != nil && !isUnsupported(err) {
			return int64(max(n, 0)), err
		}
	}
	copied, err := io.CopyN(dst, src, chunk)
	if err == io.EOF {
		err = nil
	}
	return copied, err
}

// isUnsupported reports whether a system call can't be had for these files, or at all, or
// whether another one may tell better what is wrong.
func isUnsupported(err error) bool {
	for _, errno := range []unix.Errno{unix.EXDEV, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOSYS,
		unix.EPERM, unix.EBADF, unix.EIO} {
		if err == errno {
			return true
		}
	}
	return false
}

// keep gives a copy the owner, capabilities and mode of its source, in this order: chown(2)
// clears setuid, setgid and capabilities.
func keep(dst, src int, st *unix.Stat_t) (dropped []string, err error) {
	mode := st.Mode & 0o7777
	err = unix.Fchown(dst, int(st.Uid), int(st.Gid))
	// EINVAL is an owner that is not mapped: user_namespaces(7).
	if err == unix.EPERM || err == unix.EINVAL {
		err = nil
		if mode&unix.S_ISUID != 0 {
			dropped = append(dropped, "setuid")
		}
		if mode&unix.S_ISGID != 0 {
			dropped = append(dropped, "setgid")
		}
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if err != nil {
		return nil, err
	}
	const capability = "security.capability" // capabilities(7)
	value := make([]byte, 64)
	if n, err := unix.Fgetxattr(src, capability, value); err == nil {
		switch err := unix.Fsetxattr(dst, capability, value[:n], 0); err {
		case nil:
		case unix.EPERM, unix.EOPNOTSUPP, unix.EINVAL:
			dropped = append(dropped, "capabilities")
		default:
			return nil, err
		}
	}
	return dropped, unix.Fchmod(dst, mode)
}
