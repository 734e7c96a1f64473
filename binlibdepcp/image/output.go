//go:build linux

package image

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Create calls write with a new file, and gives the file its name when it is complete. A
// regular file of that name is replaced. A run that is killed leaves no half file under
// the name.
func Create(name string, write func(*os.File) error) (err error) {
	info, err := os.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "create", Path: name, Err: errors.New("not a regular file")}
	}
	// A file without a name vanishes with this process, however that ends (open(2)).
	dir := filepath.Dir(name)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		// The file system has no such files.
		return createNamed(name, write)
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: name, Err: err}
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	// link(2) names the file through this link in /proc. Another way needs a capability
	// (AT_EMPTY_PATH in link(2)).
	link := fmt.Sprintf("/proc/self/fd/%d", fd)
	if _, err := os.Lstat(link); err != nil { // no proc is mounted
		return createNamed(name, write)
	}
	if err := write(file); err != nil {
		return err
	}
	// link(2) doesn't replace, rename(2) does.
	temporary := temporaryName(name)
	err = unix.Linkat(unix.AT_FDCWD, link, unix.AT_FDCWD, temporary, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &fs.PathError{Op: "link", Path: name, Err: err}
	}
	return rename(temporary, name)
}

// createNamed does what Create does, with a file that has a temporary name meanwhile.
func createNamed(name string, write func(*os.File) error) error {
	temporary := temporaryName(name)
	file, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = write(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return rename(temporary, name)
}

// temporaryName returns a name beside another that no file has. A PID isn't enough: in a
// container it is always the same.
func temporaryName(name string) string {
	return filepath.Join(filepath.Dir(name), ".image-"+rand.Text()+".tmp")
}

func rename(temporary, name string) error {
	if err := os.Rename(temporary, name); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// chunkSize is how many bytes are written and hashed at once.
const chunkSize = 1 << 18

// A hashing writes to a file, and computes the SHA-256 sum of all meanwhile, in a
// goroutine of its own.
type hashing struct {
	ctx   context.Context
	file  *os.File
	size  int64
	sum   hash.Hash
	chunk []byte      // what isn't written yet
	free  chan []byte // chunks to fill
	full  chan []byte // chunks to hash
	done  chan struct{}
}

func newHashing(ctx context.Context, file *os.File) *hashing {
	h := &hashing{
		ctx: ctx, file: file, sum: sha256.New(), done: make(chan struct{}),
		free: make(chan []byte, 4), full: make(chan []byte, 4),
	}
	for range cap(h.free) {
		h.free <- make([]byte, 0, chunkSize)
	}
	h.chunk = <-h.free
	go func() {
		defer close(h.done)
		for chunk := range h.full {
			h.sum.Write(chunk)
			h.free <- chunk[:0]
		}
	}()
	return h
}

// Write implements io.Writer.
func (h *hashing) Write(p []byte) (n int, err error) {
	for n < len(p) {
		taken := copy(h.chunk[len(h.chunk):cap(h.chunk)], p[n:])
		h.chunk = h.chunk[:len(h.chunk)+taken]
		n += taken
		if len(h.chunk) == cap(h.chunk) {
			if err := h.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (h *hashing) flush() error {
	if err := h.ctx.Err(); err != nil {
		return context.Cause(h.ctx)
	}
	n, err := h.file.Write(h.chunk)
	h.size += int64(n)
	if err != nil {
		return err
	}
	h.full <- h.chunk
	h.chunk = <-h.free
	return nil
}

// close returns the sum and the number of all bytes.
func (h *hashing) close() (sum []byte, size int64, err error) {
	err = h.flush()
	close(h.full)
	<-h.done
	return h.sum.Sum(nil), h.size, err
}
