//go:build linux

package jail

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errors that no errno stands for. They come in an *fs.PathError, as all errors of this
// package do.
var (
	ErrBusy       = errors.New("another run is working in it")
	ErrChanged    = errors.New("changed while it was copied")
	ErrNotRegular = errors.New("not a regular file")
	ErrStopped    = errors.New("stopped")
	ErrSize       = errors.New(
		"its size isn't true: no file of /proc or /sys can be copied")
)

// maxHandles bounds the directories that are kept open. A soft limit of 1024 descriptors
// is usual.
const maxHandles = 256

// maxTries bounds the repetitions of openat2, which fails with EAGAIN if it can't tell
// that ".." stayed inside, because something was renamed meanwhile: openat2(2).
const maxTries = 128

// A Root is an open jail, locked for this run. Names are paths as a process inside the
// jail would use them, with or without the leading slash. An error is an *fs.PathError
// with the path of the jail as it was given to Open, and the name. Directories that a
// file needs are made. Names whose last component begins with ".binlibdepcp-" are the
// package's own. Several goroutines may use a Root at once.
type Root struct {
	// NoClobber makes a call fail with an error that is fs.ErrExist, instead of replacing
	// an entry of any kind, dangling symbolic links included. It is set before first use.
	NoClobber bool

	name     string   // as the person typed it
	handle   int      // of the root itself; it holds the lock
	fallback *os.Root // nil where there is openat2
	calls    calls
	stop     atomic.Bool
	noUID    int  // what stat(2) shows for owners that have no ID here, or -1,
	noGID    int  // and for groups
	marked   bool // Begin has set its mark
	resumed  bool // Begin has found the mark of an earlier run

	using  sync.RWMutex // held for reading by every operation, for writing by Close
	closed bool

	mu     sync.Mutex
	dirs   map[string]int  // open directories by their names
	opened []int           // the handles to be closed
	busy   map[string]bool // temporary names in use, in whatever directory
	freed  *sync.Cond      // one of them is in use no more
	// directories that Mkdir has made and KeepDir has to finish, by their names
	unfinished map[string]unix.Stat_t
}

// calls are the system calls that a kernel, a file system or a seccomp filter may lack.
// A test has others.
type calls struct {
	openat2   func(dir int, name string, how *unix.OpenHow) (int, error)
	renameat2 func(oldDir int, old string, newDir int, name string, flags uint) error
	copiers   []copier
}

var systemCalls = calls{unix.Openat2, unix.Renameat2, copiers}

// Open opens an existing directory as a jail and locks it, by flock(2), until Close; on a
// file system without such locks, as some network ones, it goes on without. Symbolic
// links on the way to the directory are followed: it is the caller's word. The error is
// ErrBusy if another run has the lock, and an errno such as EACCES or EROFS if the
// directory can't be written to.
func Open(dir string) (*Root, error) { return open(dir, systemCalls, nil) }

// Wait is like Open, but if another run has the lock, Wait calls busy and waits for the
// lock. The lock is on the directory itself: no file in it is opened for that. A process
// in the jail can take the lock too, and keep the caller waiting.
func Wait(dir string, busy func()) (*Root, error) { return open(dir, systemCalls, busy) }

func open(dir string, calls calls, busy func()) (*Root, error) {
	handle, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	r := &Root{
		name: dir, handle: handle, calls: calls,
		noUID: overflow("uid"), noGID: overflow("gid"),
		dirs: map[string]int{"": handle}, busy: map[string]bool{},
		unfinished: map[string]unix.Stat_t{},
	}
	r.freed = sync.NewCond(&r.mu)
	if err := r.prepare(busy); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Root) prepare(busy func()) error {
	err := unix.Faccessat(r.handle, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err != nil {
		return r.failed("write to", "", err)
	}
	if err := r.lock(busy); err != nil {
		return r.failed("lock", "", err)
	}
	fd, err := r.open("", unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		return unix.Close(fd)
	}
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return r.failed("openat2", "", err)
	}
	if r.fallback, err = os.OpenRoot(r.name); err != nil {
		return r.failed("open", "", plain(err))
	}
	var locked unix.Stat_t
	if err := unix.Fstat(r.handle, &locked); err != nil {
		return r.failed("stat", "", err)
	}
	if st, err := r.stat(""); err != nil || !sameFile(&st, &locked) {
		return r.failed("open", "", errors.New("it was replaced meanwhile"))
	}
	return nil
}

// lock takes the lock, unless the file system has no locks.
func (r *Root) lock(busy func()) error {
	if unix.Flock(r.handle, unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
		return nil
	}
	if busy == nil {
		return ErrBusy
	}
	busy()
	for {
		if err := unix.Flock(r.handle, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

// MountFlags returns the flags of the mount that the jail's directory is on, such as
// unix.ST_NOEXEC (statvfs(3)).
func (r *Root) MountFlags() (int64, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(r.handle, &st)
	return st.Flags, r.failed("statfs", "", err)
}

// Stop makes every further operation, and soon each that is under way, fail with
// ErrStopped. It doesn't wait: Close does.
func (r *Root) Stop() { r.stop.Store(true) }

// Close waits for the operations under way, and gives up the lock.
func (r *Root) Close() error {
	r.using.Lock()
	defer r.using.Unlock()
	if r.closed {
		return r.failed("close", "", fs.ErrClosed)
	}
	r.closed = true
	if r.marked && len(r.unfinished) == 0 { // the next run finishes them
		unix.Unlinkat(r.handle, prefix, 0)
	}
	for _, fd := range r.opened {
		unix.Close(fd)
	}
	if r.fallback != nil {
		r.fallback.Close()
	}
	return r.failed("close", "", unix.Close(r.handle))
}

// MkdirAll makes a directory, and those above it, unless they are there. New ones have
// mode 0755, whatever the umask: the jail's programs run under other users too.
func (r *Root) MkdirAll(name string) error {
	return r.do("mkdir", name, func() error {
		_, done, err := r.directory(trim(name), true)
		if err == nil {
			done()
		}
		return err
	})
}

// do runs an operation on a name, unless it is after Stop or Close.
func (r *Root) do(op, name string, f func() error) error {
	r.using.RLock()
	defer r.using.RUnlock()
	if r.closed {
		return r.failed(op, name, fs.ErrClosed)
	}
	if r.stop.Load() {
		return r.failed(op, name, ErrStopped)
	}
	return r.failed(op, name, f())
}

// failed adds the operation and the path, unless err has them already.
func (r *Root) failed(op, name string, err error) error {
	var already *fs.PathError
	if err == nil || errors.As(err, &already) {
		return err
	}
	return &fs.PathError{Op: op, Path: r.path(name), Err: err}
}

// path is how a person would call a name.
func (r *Root) path(name string) string {
	if name = trim(name); name == "" {
		return r.name
	}
	return strings.TrimRight(r.name, "/") + "/" + name
}

// plain takes off what package os puts around an error: names that nobody has typed.
func plain(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func trim(name string) string { return strings.Trim(name, "/") }

// split cuts a name into its directory and its last component. That is never "..": from
// the handle of the root it would lead out.
func split(name string) (dir, last string) {
	name = trim(name)
	dir, last = path.Split(name)
	if last == "" || last == "." || last == ".." {
		return name, "."
	}
	return trim(dir), last
}

// open opens a name below the root. It is the only place where more than one component
// is resolved, and where links are followed.
func (r *Root) open(name string, flags int) (int, error) {
	if r.fallback != nil {
		f, err := r.fallback.OpenFile(cmp.Or(name, "."), flags, 0)
		if err != nil {
			return -1, plain(err)
		}
		defer f.Close()
		return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	}
	// Magic links, such as /proc/PID/root, lead anywhere. RESOLVE_IN_ROOT refuses them
	// too at present; openat2(2) asks callers to name both flags.
	how := unix.OpenHow{
		Flags:   uint64(flags) | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for try := 1; ; try++ {
		fd, err := r.calls.openat2(r.handle, cmp.Or(name, "."), &how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) ||
			try == maxTries {
			return fd, err
		}
	}
}

// directory returns the handle of a directory, to be used until done is called. It is
// opened once and kept, since a walk along the path for each file costs more than the
// rest of a small copy.
func (r *Root) directory(name string, create bool) (fd int, done func(), err error) {
	r.mu.Lock()
	dirs := r.dirs
	fd, kept := dirs[name]
	r.mu.Unlock()
	if kept {
		return fd, func() {}, nil
	}
	fd, err = r.open(name, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) && create {
		fd, err = r.mkdir(name)
	}
	if err != nil && create {
		err = r.failed("mkdir", name, err)
	}
	if err != nil {
		return -1, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, kept = dirs[name]; kept || len(r.opened) == maxHandles {
		return fd, func() { unix.Close(fd) }, nil
	}
	dirs[name] = fd
	r.opened = append(r.opened, fd)
	return fd, func() {}, nil
}

// forget is called when a link was replaced, through which a kept directory may have
// been opened. A handle may still be in use, so that it is Close that closes it.
func (r *Root) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirs = map[string]int{"": r.handle}
}

// mkdir makes a directory that isn't there, after those above it, and opens it.
func (r *Root) mkdir(name string) (int, error) {
	above, last := path.Split(name)
	parent, done, err := r.directory(trim(above), true)
	if err != nil {
		return -1, err
	}
	defer done()
	made := unix.Mkdirat(parent, last, 0o755)
	if made != nil && made != unix.EEXIST {
		return -1, made
	}
	fd, err := r.open(name, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		return -1, fmt.Errorf("dangling symbolic link: %w", err)
	}
	if err == nil && made == nil {
		if err = unmask(parent, last); err != nil {
			unix.Close(fd)
		}
	}
	return fd, err
}

// unmask gives a new directory the bits that the umask took. It takes a handle to read
// from: an O_PATH one doesn't do, open(2), and fchmodat(2) would follow a link.
func unmask(parent int, name string) error {
	fd, err := unix.Openat(parent, name,
		unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o777 == 0o755 {
		return err
	}
	return unix.Fchmod(fd, st.Mode&0o7000|0o755)
}

// stat follows links, inside.
func (r *Root) stat(name string) (st unix.Stat_t, err error) {
	if r.fallback != nil {
		// os.Root would open a link by O_PATH instead of following it.
		info, err := r.fallback.Stat(cmp.Or(name, "."))
		if err != nil {
			return st, plain(err)
		}
		s := info.Sys().(*syscall.Stat_t)
		return unix.Stat_t{
			Dev: s.Dev, Ino: s.Ino, Nlink: s.Nlink,
			Mode: s.Mode, Uid: s.Uid,
			Gid: s.Gid, Rdev: s.Rdev, Size: s.Size, Blksize: s.Blksize, Blocks: s.Blocks,
			Atim: unix.Timespec(s.Atim), Mtim: unix.Timespec(s.Mtim),
			Ctim: unix.Timespec(s.Ctim),
		}, nil
	}
	fd, err := r.open(name, unix.O_PATH)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	return st, unix.Fstat(fd, &st)
}

func sameFile(a, b *unix.Stat_t) bool { return a.Dev == b.Dev && a.Ino == b.Ino }

func isKind(st *unix.Stat_t, kind uint32) bool { return st.Mode&unix.S_IFMT == kind }
