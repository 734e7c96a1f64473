//go:build linux

package linux

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// LockDir locks a directory for as long as the file is open. A run keeps its cgroups and
// its temporary directories locked, so one that isn't locked is left by a killed run. The
// error is ENOENT if the directory is gone, and EWOULDBLOCK if another process has the
// lock.
func LockDir(dir string) (*os.File, error) {
	fd, err := unix.Open(dir,
		unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), dir)
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil {
		// Another run may have removed it between open(2) and flock(2).
		mine, err1 := file.Stat()
		now, err2 := os.Stat(dir)
		if err = errors.Join(err1, err2); err == nil && !os.SameFile(mine, now) {
			err = unix.ENOENT
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// MakeTempDir makes a directory with a name that no file has, and locks it. For the
// pattern see os.MkdirTemp.
func MakeTempDir(parent, pattern string) (dir string, lock *os.File, err error) {
	for {
		if dir, err = os.MkdirTemp(parent, pattern); err != nil {
			return "", nil, err
		}
		lock, err = LockDir(dir)
		if err == nil {
			return dir, lock, nil
		}
		_ = os.Remove(dir) // or another run has just taken it for a leftover
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EWOULDBLOCK) {
			return "", nil, Failed("lock", dir, err)
		}
	}
}

// OwnFiles returns this user's files of a type in a directory that other users may write
// to. Their names are those that MakeTempDir makes, with digits for the * that ends the
// pattern: a person may give similar names.
func OwnFiles(parent, pattern string, kind fs.FileMode) (files []string) {
	prefix := strings.TrimSuffix(pattern, "*")
	entries, _ := os.ReadDir(parent)
	for _, entry := range entries {
		number, ok := strings.CutPrefix(entry.Name(), prefix)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" ||
			entry.Type() != kind {
			continue
		}
		info, err := entry.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid == uint32(os.Geteuid()) {
			files = append(files, filepath.Join(parent, entry.Name()))
		}
	}
	return files
}

// RemoveTree is os.RemoveAll for directories that their owner may not write to, such as
// copies of such directories.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(name, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
