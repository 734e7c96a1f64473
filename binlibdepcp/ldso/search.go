//go:build linux

package ldso

import (
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Source is a place where a library is searched for.
type Source struct {
	Rule  string   // what names it, such as "RUNPATH of /usr/bin/app"
	Dirs  []string // in their order
	Cache bool     // ld.so.cache instead of directories
}

func (s Source) String() string {
	if s.Cache {
		return s.Rule
	}
	return s.Rule + ": " + strings.Join(s.Dirs, ", ")
}

// sources returns where glibc searches for what an object needs, in that order, if the
// name has no slash: _dl_map_object() of elf/dl-load.c.
func (c *Closure) sources(o *Object, cpu CPU) []Source {
	if c.interpreter.Musl {
		return c.sourcesMusl(o)
	}
	var all []Source
	add := func(rule, list, separators string, of *Object) {
		if list == "" {
			return
		}
		if dirs := SplitPath(list, separators, c.tokens(of, list, cpu)); dirs != nil {
			all = append(all, Source{Rule: rule, Dirs: dirs})
		}
	}
	// An RPATH is inherited along the chain of who loaded whom, a RUNPATH is not. Where
	// an object has both, its RPATH is void.
	if !o.HasRunpath {
		for by := o; by != nil; by = by.Loader {
			if !by.HasRunpath {
				add("RPATH of "+by.Name, by.Rpath, ":", by)
			}
		}
	}
	add("LD_LIBRARY_PATH", c.linker.LibraryPath, ":;", c.Program)
	add("RUNPATH of "+o.Name, o.Runpath, ":", o)
	if c.interpreter.Cache != "" {
		all = append(all, Source{Rule: c.interpreter.Cache, Cache: true})
	}
	if !o.NoDefLib {
		all = append(all, Source{Rule: "system directories", Dirs: c.interpreter.SystemDirs})
	}
	return all
}

// sourcesMusl returns where musl searches: load_library() of ldso/dynlink.c. It takes
// RPATH and RUNPATH for the same, which is inherited.
func (c *Closure) sourcesMusl(o *Object) []Source {
	var all []Source
	if dirs := splitMusl(c.linker.LibraryPath); dirs != nil {
		all = append(all, Source{Rule: "LD_LIBRARY_PATH", Dirs: dirs})
	}
	for by := o; by != nil; by = by.Loader {
		rule, list := "RPATH of ", by.Rpath
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
// the prefix where the interpreter lies, or else what was built into that.
func (c *Closure) readMuslPath(interp string) Source {
	prefix := path.Dir(path.Dir(interp))
	file := strings.TrimSuffix(prefix, "/") + c.interpreter.PathFile
	if text, err := c.linker.tree.read(file, maxString); err == nil {
		c.PathFile, _ = c.linker.tree.walk(file)
		return Source{Rule: file, Dirs: splitMusl(string(text))}
	}
	return Source{Rule: "system directories", Dirs: c.interpreter.SystemDirs}
}

// candidates returns the paths to try for a name in a directory, the best first.
func (c *Closure) candidates(dir, name string, cpu CPU) (paths []string) {
	if !c.interpreter.Musl {
		dir = strings.TrimSuffix(dir, "/") // of "/"
		for _, hwcap := range cpu.HWCaps {
			paths = append(paths, dir+"/glibc-hwcaps/"+hwcap+"/"+name)
		}
	}
	return append(paths, dir+"/"+name)
}

// cached returns the path to try for what an object needs from the cache, or "".
func (c *Closure) cached(s Source, name string, o *Object, cpu CPU) string {
	file, _ := c.linker.cache(s.Rule).Lookup(name, c.Program.abi().flags, cpu)
	for _, dir := range c.interpreter.SystemDirs {
		if o.NoDefLib && strings.HasPrefix(file, dir+"/") {
			return ""
		}
	}
	return file
}

// find searches for what an object needs. It returns how it was found, too.
func (c *Closure) find(name string, o *Object, sources []Source, cpu CPU) (*opened, string, error) {
	if strings.Contains(name, "/") {
		if !strings.HasPrefix(name, "/") {
			c.warn("%s needs %s: that depends on the directory it is started in", o.Name, name)
		}
		found := c.linker.open(name)
		if why := c.unfit(found); why != nil {
			return nil, "", &NotFound{Name: name, By: o.Name, Err: why}
		}
		return found, "its path", nil
	}
	for _, s := range sources {
		found, err := c.findIn(s, name, o, cpu)
		switch {
		case err != nil:
			return nil, "", &NotFound{Name: name, By: o.Name, Searched: sources, Err: err}
		case found != nil:
			return found, s.Rule, nil
		}
	}
	return nil, "", &NotFound{Name: name, By: o.Name, Searched: sources}
}

// findIn searches in one source. An error ends the search as a whole.
func (c *Closure) findIn(s Source, name string, o *Object, cpu CPU) (*opened, error) {
	if s.Cache {
		if file := c.cached(s, name, o, cpu); file != "" {
			return c.try(file) // where the entry is stale, the search goes on
		}
		return nil, nil
	}
	for _, dir := range s.Dirs {
		if !c.linker.isDir(dir) {
			continue
		}
		if !strings.HasPrefix(dir, "/") {
			c.warn("%s has a relative directory, %q: what is found depends on where it is started", s.Rule, dir)
		}
		paths := c.candidates(dir, name, cpu)
		for _, file := range paths {
			if found, err := c.try(file); found != nil || err != nil {
				return found, err
			}
		}
		if c.endsPath(paths[len(paths)-1]) {
			return nil, nil
		}
	}
	return nil, nil
}

// try returns the file at a path if it will do, and nothing if the search goes on.
func (c *Closure) try(file string) (*opened, error) {
	found := c.linker.open(file)
	switch why := c.unfit(found); {
	case why == nil:
		return found, nil
	case c.skipped(why):
		return nil, nil
	default:
		return nil, pathError("load", file, why)
	}
}

// errOther is the error of a file for other programs than this one.
var errOther = errors.New("file for another machine")

// skipped reports whether a search goes on after a candidate with that error. musl takes
// the first file that it can open, or fails.
func (c *Closure) skipped(err error) bool {
	errs := []error{unix.ENOENT, unix.EACCES, unix.ENOTDIR, unix.ENAMETOOLONG}
	if !c.interpreter.Musl {
		errs = append(errs, unix.ELOOP, errOther)
	}
	return slices.ContainsFunc(errs, func(skip error) bool { return errors.Is(err, skip) })
}

// endsPath reports whether a file in a directory that is there can't be opened, for
// another reason than ENOENT and EACCES: that ends the search in its search path, but not
// in the next one, open_path() of elf/dl-load.c of glibc 2.36.
func (c *Closure) endsPath(file string) bool {
	err := c.linker.open(file).err
	return !c.interpreter.Musl &&
		(errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG))
}

// isDir reports whether a directory is there. What can't be entered is passed over.
func (l *Linker) isDir(dir string) bool {
	dir = l.tree.abs(dir)
	is, known := l.dirs[dir]
	if !known {
		place, err := l.tree.walk(dir)
		is = err == nil && place.Info.IsDir()
		l.dirs[dir] = is
	}
	return is
}

// unfit tells why a file can't be loaded as a library of the program: open_verify() of
// elf/dl-load.c. Another class or machine lets the search go on, but not with musl; all
// else ends it.
func (c *Closure) unfit(found *opened) error {
	if found.file == nil || found.file.Class == elf.ELFCLASSNONE {
		return found.err
	}
	f, program := found.file.Header, c.Program.Header
	switch {
	case f.Class != program.Class:
		return errOther
	case f.Data != program.Data:
		return ErrByteSwap
	case f.OSABI != elf.ELFOSABI_NONE && f.OSABI != elf.ELFOSABI_LINUX,
		f.OSABI == elf.ELFOSABI_NONE && f.ABIVersion != 0:
		return ErrOSABI
	case f.Machine != program.Machine:
		return errOther
	case found.err != nil:
		return found.err
	case f.Type == elf.ET_EXEC || found.file.PIE:
		return ErrProgram
	}
	return nil
}

// A NotFound is a need that no file was found for, or none that will do.
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
