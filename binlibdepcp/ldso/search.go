//go:build linux

package ldso

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Source is a place where a library is searched for.
type Source struct {
	Rule  string   // what names it, such as "RUNPATH of /usr/bin/app"
	Dirs  []string // in their order
	Cache bool     // ld.so.cache instead of directories
	// why a cache can't be read, in a NotFound, or musl's file of directories
	Err error
}

func (s Source) String() string {
	switch {
	case s.Err != nil:
		return s.Rule + ": " + plain(s.Err).Error()
	case s.Cache:
		return s.Rule
	}
	return s.Rule + ": " + strings.Join(s.Dirs, ", ")
}

// sources returns where glibc searches for what an object needs, in that order, if the
// name has no slash: _dl_map_object() of elf/dl-load.c.
func (s *space) sources(o *Object) []Source {
	c := s.c
	if c.interpreter.Musl {
		return c.sourcesMusl(o)
	}
	var all []Source
	add := func(rule, list, separators string, of *Object) {
		if list == "" {
			return
		}
		if dirs := s.split(rule, list, separators, of); dirs != nil {
			all = append(all, Source{Rule: rule, Dirs: dirs})
		}
	}
	// An RPATH is inherited along the chain of who loaded whom, a RUNPATH is not. Where
	// an object has both, its RPATH is void.
	if !o.HasRunpath {
		for by := o; by != nil && c.limit() == nil; by = by.chain {
			c.linker.tree.work++
			if !by.HasRunpath {
				add("RPATH of "+by.Name, by.Rpath, ":", by)
			}
		}
		if s.audit && !c.interpreter.before(35) {
			add("RUNPATH of "+c.Program.Name, c.Program.Runpath, ":", c.Program)
		}
	}
	add("LD_LIBRARY_PATH", c.linker.LibraryPath, ":;", c.Program)
	add("RUNPATH of "+o.Name, o.Runpath, ":", o)
	if c.interpreter.Cache != "" {
		all = append(all, Source{Rule: c.interpreter.Cache, Cache: true})
	}
	if !o.NoDefLib {
		all = append(all, Source{
			Rule: "system directories",
			Dirs: c.interpreter.SystemDirs,
		})
	}
	return all
}

// split takes the search path of an object apart.
func (s *space) split(rule, list, separators string, of *Object) []string {
	dirs := SplitPath(list, separators, s.tokens(of, list))
	if len(dirs) > maxDirs {
		s.c.fail(fmt.Errorf("%s: %w", rule, limitError(maxDirs, "directories")))
		dirs = dirs[:maxDirs]
	}
	s.c.linker.tree.work += len(list)
	for _, dir := range dirs {
		s.c.linker.tree.work += len(dir)
	}
	return dirs
}

// before reports whether it is of a glibc before 2.minor. Before 2.33 it doesn't tell.
func (in Interpreter) before(minor int) bool {
	return in.Version == "" || olderThan(in.Version, minor)
}

// sourcesMusl returns where musl searches: load_library() of ldso/dynlink.c. It takes
// RPATH and RUNPATH for the same, which is inherited.
func (c *Closure) sourcesMusl(o *Object) []Source {
	var all []Source
	if dirs := splitMusl(c.linker.LibraryPath); dirs != nil {
		all = append(all, Source{Rule: "LD_LIBRARY_PATH", Dirs: dirs})
	}
	for by := o; by != nil && c.limit() == nil; by = by.chain {
		rule, list := "RPATH of ", by.Rpath
		c.linker.tree.work += len(by.Rpath) + len(by.Runpath) + 1
		if by.HasRunpath {
			rule, list = "RUNPATH of ", by.Runpath
		}
		if by == c.Program && usesOrigin(list) {
			c.warnOrigin()
		}
		list, ok := expandMusl(list, by.origin())
		if dirs := splitMusl(list); ok && dirs != nil {
			all = append(all, Source{Rule: rule + by.Name, Dirs: dirs})
		}
	}
	return append(all, c.muslPath)
}

// readMuslPath returns the last source of musl: the file /etc/ld-musl-ARCH.path below
// the prefix where the interpreter lies, or if there is none what was built into that. A
// file that can't be read lists no directory.
func (c *Closure) readMuslPath(interp string) Source {
	file := upToSlash(upToSlash(interp)) + c.interpreter.PathFile
	text, err := c.linker.tree.read(file, maxString)
	if errors.Is(err, unix.ENOENT) {
		return Source{Rule: "system directories", Dirs: c.interpreter.SystemDirs}
	}
	if err != nil {
		if errors.Is(err, ErrLimit) {
			c.fail(err)
		}
		return Source{Rule: file, Err: err}
	}
	c.PathFile, _ = c.linker.tree.walk(file)
	return Source{Rule: file, Dirs: splitMusl(string(text))}
}

// upToSlash cuts a path at its last slash.
func upToSlash(name string) string { return name[:max(0, strings.LastIndex(name, "/"))] }

// candidates returns the paths to try for a name in a directory, the best first.
func (s *space) candidates(dir, name string) (paths []string) {
	if s.c.interpreter.Musl {
		return []string{dir + "/" + name}
	}
	dir = strings.TrimSuffix(dir, "/") // of "/"
	for _, hwcap := range s.cpu.HWCaps {
		paths = append(paths, dir+"/glibc-hwcaps/"+hwcap+"/"+name)
	}
	return append(paths, dir+"/"+name)
}

// cached returns the path to try for what an object needs from the cache, or "".
func (s *space) cached(cache, name string, o *Object) string {
	flags, cpu := s.c.header().abi().flags, s.cpu
	if flags == flagsX8664 && s.c.interpreter.before(37) {
		cpu.legacy = hwcapX8664
	}
	read := s.c.linker.cache(cache)
	if errors.Is(read.err, ErrLimit) {
		s.c.fail(read.err)
	}
	entries := read.entries.equal(name, flags)
	s.c.linker.tree.work += len(entries) * len(name)
	file, _ := entries.best(flags, cpu)
	for _, dir := range s.c.interpreter.SystemDirs {
		if o.NoDefLib && strings.HasPrefix(file, dir+"/") {
			return ""
		}
	}
	return file
}

// find searches for what an object needs. It returns how it was found, too.
func (s *space) find(name string, o *Object) (*opened, string, error) {
	c := s.c
	if strings.Contains(name, "/") {
		if !strings.HasPrefix(name, "/") {
			c.warn("%s needs %s: that depends on the directory it is started in", o.Name,
				name)
		}
		found := c.linker.open(name)
		if why := c.unfit(found); why != nil {
			return nil, "", &NotFound{Name: name, By: o.Name, Err: why}
		}
		return found, "its path", nil
	}
	sources := s.sources(o)
	c.denied = nil
	for _, source := range sources {
		found, err := s.findIn(source, name, o)
		switch {
		case err != nil:
			return nil, "", &NotFound{Name: name, By: o.Name, Searched: sources, Err: err}
		case found != nil:
			return found, source.Rule, nil
		}
	}
	// A file that may not be opened is passed over, and may be the one.
	return nil, "", &NotFound{
		Name: name, By: o.Name,
		Searched: c.searched(sources), Err: c.denied,
	}
}

// searched returns the sources with the reason why a cache among them has nothing.
func (c *Closure) searched(sources []Source) []Source {
	sources = slices.Clone(sources)
	for i, s := range sources {
		if s.Cache {
			sources[i].Err = c.linker.cache(s.Rule).err
		}
	}
	return sources
}

// deny remembers the first error of permission of a search.
func (c *Closure) deny(err error) {
	if c.denied == nil && errors.Is(err, unix.EACCES) {
		c.denied = err
	}
}

// findIn searches in one source. An error ends the search as a whole.
func (s *space) findIn(source Source, name string, o *Object) (*opened, error) {
	if source.Cache {
		if file := s.cached(source.Rule, name, o); file != "" {
			found, _, err := s.c.try(file) // where the entry is stale, the search goes on
			return found, err
		}
		return nil, nil
	}
	for _, dir := range source.Dirs {
		if err := s.c.limit(); err != nil {
			return nil, err
		}
		if !s.c.isSearched(source, dir) {
			continue
		}
		var skipped error
		for _, file := range s.candidates(dir, name) {
			var found *opened
			var err error
			if found, skipped, err = s.c.try(file); found != nil || err != nil {
				return found, err
			}
		}
		if s.c.endsPath(skipped) {
			return nil, nil
		}
	}
	return nil, nil
}

// isSearched reports whether the dynamic linker looks into a directory. glibc passes over
// those that aren't there, but doesn't ask whether a relative one is.
func (c *Closure) isSearched(source Source, dir string) bool {
	err := c.linker.dirError(dir)
	c.deny(err)
	is := err == nil
	if is && !strings.HasPrefix(dir, "/") {
		c.warn("%s has a relative directory, %q: what is found depends on where it is "+
			"started",
			source.Rule, dir)
	}
	return is || c.interpreter.Musl || !strings.HasPrefix(dir, "/")
}

// try returns the file at a path if it is suitable. If not, it returns a reason to skip
// the file and go on, or an error that ends the search.
func (c *Closure) try(file string) (found *opened, skipped, err error) {
	if c.interpreter.Musl && len(file) >= muslBuffer {
		return nil, unix.ENAMETOOLONG, nil
	}
	found = c.linker.open(file)
	switch why := c.unfit(found); {
	case why == nil:
		return found, nil, nil
	case c.skips(why):
		c.deny(why)
		return nil, why, nil
	default:
		return nil, nil, pathError("load", file, why)
	}
}

// muslBuffer is the room that musl has for a path: 2*NAME_MAX+2 bytes.
const muslBuffer = 512

// errOther is the error of a file for other programs than this one.
var errOther = errors.New("file for another machine")

// openErrno returns the errno of a file that can't be opened, 0 for any other error.
func openErrno(err error) (errno unix.Errno) {
	failed := &fs.PathError{}
	if errors.As(err, &failed) {
		errors.As(failed.Err, &errno)
	}
	return errno
}

// skips reports whether a search goes on after a candidate with that error. glibc skips
// all that it can't open. musl takes the first file that it can open, or fails.
func (c *Closure) skips(err error) bool {
	errno := openErrno(err)
	if !c.interpreter.Musl {
		return errors.Is(err, errOther) || errno != 0
	}
	switch errno {
	case unix.ENOENT, unix.EACCES, unix.ENOTDIR, unix.ENAMETOOLONG:
		return true
	}
	return false
}

// endsPath reports whether the error of the last candidate in a directory ends the search
// in its search path, but not in the next one: open_path() of elf/dl-load.c. Until glibc
// 2.38, a file where a directory should be did.
func (c *Closure) endsPath(skipped error) bool {
	if c.interpreter.Musl {
		return false
	}
	switch openErrno(skipped) {
	case 0, unix.ENOENT, unix.EACCES:
		return false
	case unix.ENOTDIR:
		return c.interpreter.before(39)
	}
	return true
}

// dirError returns why a path leads to no directory, or nil. What can't be entered is
// passed over.
func (l *Linker) dirError(dir string) error {
	dir = l.tree.abs(dir)
	err, known := l.dirs[dir]
	if !known {
		var place *Place
		place, err = l.tree.walk(dir)
		if err == nil && !place.Info.IsDir() {
			err = unix.ENOTDIR
		}
		l.dirs[dir] = err
	}
	return err
}

// header returns the header that decides what fits: that of the dynamic linker.
func (c *Closure) header() Header {
	if c.interp != nil {
		return c.interp.Header
	}
	return c.Program.Header
}

// unfit tells why a file can't be loaded as a library of the program, as open_verify()
// and _dl_map_object_from_fd() of elf/dl-load.c do, or map_library() of ldso/dynlink.c.
func (c *Closure) unfit(found *opened) error {
	f, own := found.file, c.header()
	switch {
	case f == nil || f.Class == elf.ELFCLASSNONE && f.Data == elf.ELFDATANONE:
		return found.err
	case !c.interpreter.Musl:
		if err := f.unfit(own); err != nil {
			return err
		}
	case f.Class != own.Class || f.Machine != own.Machine:
		return errOther // musl would load it, and crash
	case f.Data != own.Data:
		return ErrByteSwap
	}
	switch {
	case found.err != nil:
		return found.err
	case !c.interpreter.Musl && (f.Type == elf.ET_EXEC || f.PIE):
		return ErrProgram
	case errors.Is(f.flaw, ErrAlignment) && c.interpreter.Musl:
		return nil
	}
	return f.flaw
}

// A NotFound is a need for which no file was found, or no suitable one.
type NotFound struct {
	Name     string
	By       string   // the object that needs it
	Searched []Source // where, if it was searched for
	Err      error    // what ended the search early, or nil
}

func (e *NotFound) Error() string {
	text := fmt.Sprintf("%s, which %s needs: ", e.Name, e.By)
	if e.Err != nil {
		return text + e.Err.Error()
	}
	return text + "not found"
}

func (e *NotFound) Unwrap() error { return e.Err }
