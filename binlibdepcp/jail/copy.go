//go:build linux

package jail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// chunk is how many bytes are copied between two looks for Stop.
const chunk = 16 << 20

// Copy copies an open regular file, from its start, with owner, mode, times, holes and
// file capabilities. If the caller can't give the copy that owner, as most users can't,
// the copy is the caller's and loses setuid and setgid; it loses capabilities that can't
// be set. Copy returns what was lost: some of "setuid", "setgid" and "capabilities", in
// this order.
//
// The error is ErrChanged, with the path of src, if src was written to meanwhile, and
// ErrSize if src is a file of /proc, for example, whose size stat(2) doesn't tell. A file
// that is in its own place already, because the jail is / for example, is left as it is.
// If a hard link to it is there, a copy replaces that: a jail doesn't share files with
// the host.
//
// Copy uses the offset of src, so a second Copy of the same *os.File has to wait.
func (r *Root) Copy(src *os.File, name string) (dropped []string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "copy", Path: src.Name(), Err: err}
	}
	if !isKind(&st, unix.S_IFREG) {
		return nil, &fs.PathError{Op: "copy", Path: src.Name(), Err: ErrNotRegular}
	}
	err = r.do("copy", name, func() error {
		dropped, err = r.copy(src, &st, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return dropped, nil
}

// copy copies src, of which st was found.
func (r *Root) copy(src *os.File, st *unix.Stat_t,
	name string,
) (dropped []string, err error) {
	s, err := r.slot(name)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if sameFile(&s.there, st) && st.Nlink == 1 {
		return nil, nil
	}
	dst, err := s.create()
	if err != nil {
		return nil, err
	}
	copied, err := r.transfer(dst, src, st)
	if err == nil {
		dropped, err = r.keep(int(dst.Fd()), int(src.Fd()), st)
	}
	err = closeFile(dst, err)
	if err == nil {
		err = unchanged(src, st, copied)
	}
	if err == nil {
		times := []unix.Timespec{st.Atim, st.Mtim}
		err = unix.UtimesNanoAt(s.dir, s.tmp, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	return dropped, s.commit(err)
}

// unchanged returns ErrChanged unless src is still the file that was copied, and ErrSize
// if src had never the size that stat(2) tells.
func unchanged(src *os.File, before *unix.Stat_t, copied int64) error {
	var now unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &now); err != nil {
		return err
	}
	switch {
	case now.Size != before.Size || now.Mtim != before.Mtim || now.Ctim != before.Ctim:
		return &fs.PathError{Op: "copy", Path: src.Name(), Err: ErrChanged}
	case copied != before.Size:
		return &fs.PathError{Op: "copy", Path: src.Name(), Err: ErrSize}
	}
	return nil
}

// transfer copies the content, and returns up to where it came: to the size that st has,
// unless the file has become shorter. Of a file with holes it copies only the rest.
func (r *Root) transfer(dst, src *os.File, st *unix.Stat_t) (at int64, err error) {
	if st.Size == 0 { // which files of /proc are said to have
		return r.copyRange(dst, src, 0, 1)
	}
	if st.Blocks*512 >= st.Size { // the unit of st_blocks (stat(2))
		return r.copyRange(dst, src, 0, st.Size)
	}
	for at < st.Size {
		start, end := nextData(int(src.Fd()), at, st.Size)
		if at, err = r.copyRange(dst, src, start, end); err != nil || at < end {
			return at, err
		}
	}
	return at, unix.Ftruncate(int(dst.Fd()), st.Size) // there may be a hole at the end
}

// nextData returns the start and the end of the data that follow an offset (lseek(2)). Of
// a file system that knows no holes, they are all data.
func nextData(src int, at, size int64) (start, end int64) {
	start, err := unix.Seek(src, at, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO: // only a hole is left
		return size, size
	case err != nil:
		return at, size
	}
	end, err = unix.Seek(src, start, unix.SEEK_HOLE)
	if err != nil {
		end = size
	}
	return min(start, size), min(end, size)
}

// copyRange copies the bytes from one offset to another, and returns up to where it came.
func (r *Root) copyRange(dst, src *os.File, at, end int64) (int64, error) {
	for _, f := range []*os.File{src, dst} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return at, err
		}
	}
	for at < end {
		if r.stop.Load() {
			return at, ErrStopped
		}
		n, err := copyChunk(dst, src, int(min(end-at, chunk)), r.calls.copiers...)
		at += n
		if err != nil || n == 0 {
			return at, err
		}
	}
	return at, nil
}

// A copier copies up to n bytes from the offset of one file to the offset of another.
type copier func(dst, src, n int) (int, error)

// copiers are the system calls that copy without a buffer here, the best one first.
// copy_file_range(2) shares the blocks where the file system can; between two file
// systems it may be missing. sendfile(2) takes a third less time than read(2) and
// write(2).
var copiers = []copier{
	func(dst, src, n int) (int, error) {
		return unix.CopyFileRange(src, nil,
			dst, nil, n, 0)
	},
	func(dst, src, n int) (int, error) { return unix.Sendfile(dst, src, nil, n) },
}

// copyChunk copies up to n bytes, none at the end of src, by the first copier that can.
func copyChunk(dst, src *os.File, n int, copiers ...copier) (int64, error) {
	for _, copier := range copiers {
		copied, err := copier(int(dst.Fd()), int(src.Fd()), n)
		for errors.Is(err, unix.EINTR) {
			copied, err = copier(int(dst.Fd()), int(src.Fd()), n)
		}
		// Before Linux 5.19, copy_file_range copied nothing of some files, without an
		// error.
		if copied > 0 || err != nil && !slices.Contains(unsupported, err) {
			return int64(max(copied, 0)), err
		}
	}
	copied, err := io.CopyN(dst, src, int64(n))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return copied, err
}

// unsupported are the errors of a system call that can't be had for these files, or at
// all, or after which another system call may tell better what is wrong.
var unsupported = []error{
	unix.EXDEV, unix.EINVAL, unix.EOPNOTSUPP,
	unix.ENOSYS, unix.EPERM,
	unix.EBADF, unix.EIO,
}

// keep gives a copy the owner, capabilities and mode of its source, in this order:
// chown(2) clears setuid, setgid and capabilities.
func (r *Root) keep(dst, src int, st *unix.Stat_t) (dropped []string, err error) {
	mode := st.Mode & 0o7777
	drop := func(bit uint32, what string) {
		if mode&bit != 0 {
			dropped = append(dropped, what)
		}
		mode &^= bit
	}
	uid, gid := int(st.Uid), int(st.Gid)
	if uid == r.noUID {
		uid = -1 // chown(2) leaves the owner as it is
	}
	if gid == r.noGID {
		gid = -1
	}
	err = unix.Fchown(dst, uid, gid)
	// EINVAL is an owner that isn't mapped (user_namespaces(7)).
	refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL)
	if err != nil && !refused {
		return nil, err
	}
	if refused || uid < 0 {
		drop(unix.S_ISUID, "setuid")
	}
	if refused || gid < 0 {
		drop(unix.S_ISGID, "setgid")
	}
	kept, err := keepCapabilities(dst, src)
	if err != nil {
		return nil, err
	}
	if !kept {
		dropped = append(dropped, "capabilities")
	}
	return dropped, unix.Fchmod(dst, mode)
}

// keepCapabilities gives a copy the file capabilities of its source, and reports whether
// it has now what the source has (capabilities(7)).
func keepCapabilities(dst, src int) (kept bool, err error) {
	const name = "security.capability"
	value := make([]byte, 64)
	n, err := unix.Fgetxattr(src, name, value)
	if err != nil {
		return true, nil // there are none
	}
	err = unix.Fsetxattr(dst, name, value[:n], 0)
	if err == unix.EPERM || err == unix.EOPNOTSUPP || err == unix.EINVAL {
		return false, nil
	}
	return err == nil, err
}

// overflow returns the ID that stat(2) shows for every owner ("uid") or group ("gid")
// that isn't mapped in this user namespace, or -1 if all are mapped. A range of IDs
// usually has this ID too, and then it belongs to the user nobody (user_namespaces(7)).
func overflow(kind string) int {
	ids, err := os.ReadFile("/proc/self/" + kind + "_map")
	if err == nil && strings.Join(strings.Fields(string(ids)), " ") == "0 0 4294967295" {
		return -1
	}
	text, _ := os.ReadFile("/proc/sys/kernel/overflow" + kind)
	id, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 65534 // unless an administrator has changed it
	}
	return id
}
