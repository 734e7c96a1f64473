//go:build linux

package ldso

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Place is where a path leads.
type Place struct {
	Name  string   // the path, absolute
	Real  string   // the same without symbolic links, "." and ".."
	Links []Link   // the symbolic links on the way, in their order
	Dirs  []string // directories that a ".." goes up from
	Info  fs.FileInfo
}

// A Link is a symbolic link.
type Link struct {
	Name   string // its own path, without links
	Target string // as it stands in it
}

// An Inode tells whether two names are the same file: stat(2). Where the file system
// view has no inodes, the name does.
type Inode struct {
	Dev, Ino uint64
	Name     string
}

// Inode returns the identity of the file.
func (p *Place) Inode() Inode {
	if stat, ok := p.Info.Sys().(*syscall.Stat_t); ok {
		return Inode{Dev: uint64(stat.Dev), Ino: stat.Ino}
	}
	return Inode{Name: p.Real}
}

// A tree resolves paths in a file system view, and remembers what it has seen there. The
// view may be one of another machine's files: its links lead to places within it.
type tree struct {
	fsys    fs.ReadLinkFS
	dir     string // what relative paths start from, absolute
	entries map[string]entry
	work    int // bytes of the paths that were looked at
}

type entry struct {
	info   fs.FileInfo
	target string // of a symbolic link
	err    error
}

// maxLinks is how many symbolic links a path may have, path_resolution(7).
const maxLinks = 40

// abs makes a path absolute. It may not be cleaned: a/../b isn't b if a is a link.
func (t *tree) abs(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	for strings.HasPrefix(name, "./") {
		name = strings.TrimLeft(name[2:], "/")
	}
	return strings.TrimSuffix(t.dir, "/") + "/" + name
}

// walk resolves a path. Errors are fs.PathErrors.
func (t *tree) walk(name string) (*Place, error) {
	p := &Place{Name: t.abs(name), Real: "/"}
	fail := func(err error) (*Place, error) {
		return nil, &fs.PathError{Op: "open", Path: p.Name, Err: err}
	}
	if strings.Contains(name, "\x00") || len(name) >= unix.PathMax {
		return fail(unix.ENAMETOOLONG)
	}
	rest := p.Name
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		t.work += len(p.Real) + len(part)
		if p.Info != nil && !p.Info.IsDir() {
			return fail(unix.ENOTDIR) // even if all that follows is "."
		}
		switch part {
		case "", ".":
			continue
		case "..":
			if p.Real != "/" {
				p.Dirs = append(p.Dirs, p.Real)
			}
			p.Real, p.Info = path.Dir(p.Real), nil
			continue
		}
		next := path.Join(p.Real, part)
		e := t.lstat(next)
		switch {
		case e.err != nil:
			return fail(e.err)
		case e.target == "":
			p.Real, p.Info = next, e.info
			continue
		case len(p.Links) == maxLinks:
			return fail(unix.ELOOP)
		}
		p.Links = append(p.Links, Link{next, e.target})
		if strings.HasPrefix(e.target, "/") {
			p.Real, p.Info = "/", nil
		}
		if rest != "" {
			rest = "/" + rest
		}
		rest = e.target + rest
	}
	if p.Info == nil {
		e := t.lstat(p.Real)
		if p.Info = e.info; e.err != nil {
			return fail(e.err)
		}
	}
	return p, nil
}

// walkLink is like walk, but doesn't follow a symbolic link in the last component: that
// is the place itself, and the last one of its links.
func (t *tree) walkLink(name string) (*Place, error) {
	name = strings.TrimRight(t.abs(name), "/")
	dir, last := name[:strings.LastIndex(name, "/")+1], path.Base(name)
	if name == "" || last == "." || last == ".." {
		return t.walk(name + "/")
	}
	p, err := t.walk(dir)
	if err != nil {
		return nil, err
	}
	p.Name, p.Real = name, path.Join(p.Real, last)
	e := t.lstat(p.Real)
	if e.err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: e.err}
	}
	if p.Info = e.info; e.target != "" {
		p.Links = append(p.Links, Link{p.Real, e.target})
	}
	return p, nil
}

func (t *tree) lstat(name string) entry {
	e, ok := t.entries[name]
	if !ok {
		e.info, e.err = t.fsys.Lstat(viewName(name))
		if e.err == nil && e.info.Mode()&fs.ModeSymlink != 0 {
			e.target, e.err = t.fsys.ReadLink(viewName(name))
			if e.err == nil && e.target == "" {
				e.err = unix.ENOENT
			}
		}
		switch failed := (*fs.PathError)(nil); {
		case errors.Is(e.err, fs.ErrNotExist): // a view in memory has no errno
			e.err = unix.ENOENT
		case errors.As(e.err, &failed):
			e.err = failed.Err
		}
		t.entries[name] = e
	}
	return e
}

// viewName returns the name of an absolute path in a view, which has no slash in front.
func viewName(name string) string {
	if name == "/" {
		return "."
	}
	return name[1:]
}

// A source is an open file of the tree.
type source struct {
	fs.File
	io.ReaderAt
}

// open opens the regular file that walk has found. Another file may have its name by now:
// one that the owner of the directory may not read, if root runs this.
func (t *tree) open(p *Place) (*source, error) {
	fail := func(err error) (*source, error) {
		return nil, &fs.PathError{Op: "open", Path: p.Name, Err: err}
	}
	switch mode := p.Info.Mode(); {
	case mode&fs.ModeSocket != 0: // open(2) fails, and the search of glibc goes on
		return fail(unix.ENXIO)
	case !mode.IsRegular(): // a device might do anything when it is opened
		return fail(ErrRegular)
	}
	f, err := t.fsys.Open(viewName(p.Real))
	if err != nil {
		return fail(plain(err))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() { // it has changed since
		err = ErrRegular
	}
	found := Place{Real: p.Real, Info: info}
	if err == nil && found.Inode() != p.Inode() {
		err = ErrChanged
	}
	r, ok := f.(io.ReaderAt)
	if err == nil && !ok {
		err = unix.ESPIPE
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	p.Info = info
	return &source{f, r}, nil
}

// read reads a whole file, up to a limit.
func (t *tree) read(name string, limit int64) ([]byte, error) {
	p, err := t.walk(name)
	if err != nil {
		return nil, err
	}
	f, err := t.open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(min(p.Info.Size(), limit)) + bytes.MinRead) // so one system call is enough
	_, err = b.ReadFrom(io.LimitReader(f.File, limit+1))
	if err == nil && int64(b.Len()) > limit {
		err = &fs.PathError{Op: "read", Path: name, Err: limitError(int(limit), "bytes")}
	}
	return b.Bytes(), err
}
