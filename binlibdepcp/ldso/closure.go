//go:build linux

package ldso

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A Linker finds the closures of programs in a file tree. It remembers what it has read,
// for the next program: it is for a tree that doesn't change, and for one goroutine, but
// for Open and ReadDir, which several may call.
type Linker struct {
	LibraryPath string // LD_LIBRARY_PATH, mostly ""
	CPU         CPU    // for programs of this machine; HostCPU is set by New

	tree         tree
	head         [headSize]byte // of the file that is being read
	files        map[string]*opened
	parsed       map[Inode]*opened
	dirs         map[string]error // why a path leads to no directory, or nil
	caches       map[string]cacheFile
	interpreters map[string]Interpreter
	libcs        map[Inode]Libc
}

// New returns a linker for the files of a view, such as Host, Below or a test's
// fstest.MapFS. Relative paths start from dir, an absolute path in the view.
func New(view fs.ReadLinkFS, dir string) *Linker {
	return &Linker{
		CPU:          HostCPU(),
		tree:         tree{fsys: view, dir: dir, entries: map[string]entry{}},
		files:        map[string]*opened{},
		parsed:       map[Inode]*opened{},
		dirs:         map[string]error{},
		caches:       map[string]cacheFile{},
		interpreters: map[string]Interpreter{},
		libcs:        map[Inode]Libc{},
	}
}

// An opened is a path that has been tried.
type opened struct {
	place *Place
	file  *File // nil if err is of the opening
	err   error
}

// open reads the ELF file at a path.
func (l *Linker) open(name string) *opened {
	name = l.tree.abs(name)
	if o, ok := l.files[name]; ok {
		return o
	}
	o := &opened{}
	if o.place, o.err = l.tree.walk(name); o.err != nil {
		return o // and isn't remembered: there is no end of paths that lead nowhere
	}
	l.files[name] = o
	if same, ok := l.parsed[o.place.Inode()]; ok {
		o.file, o.err = same.file, same.err
		return o
	}
	f, err := l.tree.open(o.place)
	if err != nil {
		o.err = err
		return o
	}
	defer f.Close()
	o.file, o.err = parseFile(f, l.head[:])
	l.parsed[o.place.Inode()] = o
	return o
}

// Preload reads the files at these paths on all processors. It takes time off the
// closures of many programs.
func (l *Linker) Preload(names []string) {
	workers := make([]*Linker, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i := range workers {
		w := New(l.tree.fsys, l.tree.dir)
		workers[i] = w
		all.Go(func() {
			for j := i; j < len(names); j += len(workers) {
				w.open(names[j])
			}
		})
	}
	all.Wait()
	for _, w := range workers {
		maps.Copy(l.tree.entries, w.tree.entries)
		maps.Copy(l.files, w.files)
		maps.Copy(l.parsed, w.parsed)
	}
}

// A cacheFile is what was read of an ld.so.cache.
type cacheFile struct {
	entries Cache
	err     error
}

// cache reads an ld.so.cache. One that can't be read has no entries, as for ld.so.
func (l *Linker) cache(name string) cacheFile {
	c, ok := l.caches[name]
	if !ok {
		var b []byte
		if b, c.err = l.tree.read(name, MaxCache); c.err == nil {
			c.entries, c.err = ParseCache(b)
		}
		if c.err != nil {
			c.err = pathError("read", name, c.err)
		}
		l.caches[name] = c
	}
	return c
}

// An Object is a file that is loaded for a program.
type Object struct {
	Place
	*File
	Loader *Object      // the object that it was loaded for, nil for the program
	Rule   string       // how it was found, "" for the program
	Also   []*Place     // other paths that led to the same file
	Deps   []Dependency // in the order of the dynamic section

	// whose RPATH counts too: the loader, or the program if dlopen(3) loaded it
	chain  *Object
	short  string // the name that musl knows it by, or ""
	loaded bool   // what it needs is loaded
}

// addPlace notes that another path leads to the file.
func (o *Object) addPlace(p *Place) {
	same := func(other *Place) bool { return other.Name == p.Name }
	if p.Name != o.Name && !slices.ContainsFunc(o.Also, same) {
		o.Also = append(o.Also, p)
	}
}

// A Dependency is a need of an object, and what meets it.
type Dependency struct {
	Need
	Object *Object // nil if there is none
	Err    error   // why there is none, nil if it may be missing
}

// origin returns what $ORIGIN stands for: the path of the object up to its last slash.
// For a library that is the path by which it was found, for the program the real one,
// that of /proc/self/exe. It may not be cleaned: link/../lib isn't lib if link leads
// elsewhere.
func (o *Object) origin() string {
	if o.Loader == nil {
		return upToSlash(o.Real)
	}
	return upToSlash(o.Name)
}

// A Closure is a program with all that is loaded for it.
type Closure struct {
	Program *Object
	Objects []*Object  // the program, its interpreter, the libraries in their order
	Opened  []*Object  // those of Objects that Dlopen brought
	Runs    []*Closure // for a script: the programs of its #! line
	// of musl: the file with its system directories, nil if there is none
	PathFile *Place
	Warnings []string
	Problems []error // what was not found; mostly a NotFound

	linker      *Linker
	begun       int             // the linker's work before this program
	said        map[string]bool // warnings and problems, each once
	denied      error           // of a file that the present search may not open
	interp      *Object         // the dynamic linker, nil where there is none
	interpreter Interpreter     // and what it says of itself
	muslPath    Source

	main   *space            // what the program loads,
	base   *space            // what it loads on the least CPU, nil if that is the same,
	varies bool              // as it isn't
	others map[Inode]*Object // of Objects, those that aren't of main
}

// Closure returns what the program, or the library, needs that a path names. The error
// tells why the file itself can't be read; that something it needs is missing, Problems
// does.
func (l *Linker) Closure(name string) (*Closure, error) {
	found := l.open(name)
	if errors.Is(found.err, ErrMagic) || errors.Is(found.err, ErrShort) {
		if c, err := l.script(found.place); c != nil || err != nil {
			return c, err
		}
	}
	if found.err != nil {
		return nil, pathError("read", name, found.err)
	}
	c := l.closure(found)
	c.loadInterpreter()
	if c.interp == nil && len(c.Program.Needs) == 0 {
		return c, nil // static
	}
	c.main.loadNeeds(c.Program)
	c.loadBaseline()
	c.loadAudit()
	if c.Program.Interp == "" && !c.isNeeded(c.interp) {
		c.Objects = slices.DeleteFunc(c.Objects,
			func(o *Object) bool { return o == c.interp })
	}
	return c, nil
}

// isNeeded reports whether an object has a dependency that an object meets.
func (c *Closure) isNeeded(object *Object) bool {
	for _, o := range c.Objects {
		for _, dep := range o.Deps {
			if dep.Object == object {
				return true
			}
		}
	}
	return false
}

func pathError(op, name string, err error) error {
	failed := &fs.PathError{}
	if errors.As(err, &failed) {
		return failed
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (l *Linker) closure(found *opened) *Closure {
	o := &Object{Place: *found.place, File: found.file}
	c := &Closure{
		linker: l, begun: l.tree.work, said: map[string]bool{},
		Program: o, Objects: []*Object{o},
	}
	c.main = c.newSpace(o)
	return c
}

// loadInterpreter finds the dynamic linker, which the kernel loads together with the
// program. A library names none, so it is the usual one for its machine.
func (c *Closure) loadInterpreter() {
	name, rule := c.Program.Interp, "PT_INTERP"
	if name == "" {
		if len(c.Program.Needs) == 0 {
			return // a static program, or a library that needs nothing
		}
		name, rule = c.Program.usualInterpreter(), "the usual interpreter"
	}
	c.interpreter = Interpreter{SystemDirs: []string{
		"/lib64", "/usr/lib64",
		"/lib", "/usr/lib",
	}}
	found := c.linker.open(name)
	err := found.err
	if err == nil && (found.file.Class != c.Program.Class ||
		found.file.Machine != c.Program.Machine) {
		err = errOther
	}
	if err != nil {
		c.Problems = append(c.Problems,
			&NotFound{Name: name, By: c.Program.Name, Err: pathError("load", name, err)})
		return
	}
	if !strings.HasPrefix(name, "/") {
		c.warn("%s has a relative interpreter: it depends on the directory it is "+
			"started in", c.Program.Name)
	}
	c.interp = c.main.add(found, name, rule, c.Program)
	in, ok := c.linker.interpreters[found.place.Real]
	if !ok {
		b, err := c.linker.tree.read(found.place.Real, maxObject)
		if err == nil {
			in = ParseInterpreter(b)
		} else {
			c.fail(err)
		}
		c.linker.interpreters[found.place.Real] = in
	}
	if in.SystemDirs == nil {
		c.warn("%s tells no system directories: it may be another dynamic linker than "+
			"glibc's and musl's", name)
		in.SystemDirs = c.interpreter.SystemDirs
	}
	if c.interpreter = in; in.Musl {
		c.muslPath = c.readMuslPath(name)
	}
}

// usualInterpreter returns the interpreter of the programs that load such a library.
func (f *File) usualInterpreter() string {
	for _, need := range f.Needs {
		if need.Name == "libc.so" || strings.HasPrefix(need.Name, "libc.musl-") {
			return "/lib/ld-musl-" + f.abi().muslArch + ".so.1"
		}
	}
	return f.abi().interp
}

// cpu returns what selects variants of libraries for the program.
func (c *Closure) cpu() CPU {
	if c.Program.isHost() {
		return c.linker.CPU
	}
	return c.baseline()
}

// baseline returns what any CPU of the program's machine selects.
func (c *Closure) baseline() CPU { return CPU{Platform: c.Program.abi().platform} }

// errToken is the error of a name with a token that stands for nothing on this machine.
var errToken = errors.New("a dynamic string token in it stands for nothing here")

// tokens returns what the tokens in a text of an object's stand for. The dynamic linker
// has the origin of the program.
func (s *space) tokens(o *Object, text string) Tokens {
	if o == s.c.interp {
		o = s.c.Program
	}
	if o.Loader == nil && usesOrigin(text) {
		s.c.warnOrigin()
	}
	if strings.Contains(text, "PLATFORM") && s.cpu.Platform != s.c.baseline().Platform {
		s.c.varies = true
	}
	return Tokens{
		Origin: cmp.Or(o.origin(),
			"/"), Lib: s.c.interpreter.Lib, Platform: s.cpu.Platform,
	}
}

// warnOrigin tells that the dynamic linker asks /proc/self/exe for the program's $ORIGIN.
func (c *Closure) warnOrigin() {
	c.warn("%s has $ORIGIN in a search path or name: that needs /proc in a jail",
		c.Program.Name)
	if c.Program.Info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		c.warn("%s runs with another user's rights, so that $ORIGIN doesn't count for "+
			"others", c.Program.Name)
	}
}

// Dlopen adds what dlopen(3) of a name loads if an object calls it. It adds nothing if
// something is missing.
func (c *Closure) Dlopen(name string, by *Object) (*Object, error) {
	if c.exceeded() {
		return nil, c.limit()
	}
	if c.base.has(by) && !c.main.has(by) {
		// An object that only another CPU loads opens nothing on this CPU.
		o, err := c.base.dlopen(name, by)
		if err != nil {
			return nil, err
		}
		c.collect(c.base)
		return o, nil
	}
	n, problems := len(c.main.objects), len(c.Problems)
	o, err := c.main.dlopen(name, by)
	if len(c.Problems) > problems {
		err = c.Problems[problems]
		for _, forgotten := range c.Problems[problems:] {
			delete(c.said, forgotten.Error())
		}
		c.Problems = c.Problems[:problems]
		c.main.forget(n)
	}
	if err != nil {
		return nil, err
	}
	if len(c.main.objects) > n {
		c.Opened = append(c.Opened, o)
	}
	c.loadBaseline()
	if c.base != nil {
		_, err := c.base.dlopen(name, c.base.counterpart(by))
		c.base.problem(err)
		c.collect(c.base)
	}
	return o, nil
}

// Find returns the object that is loaded under a name, or nil.
func (c *Closure) Find(name string) *Object { return c.main.loaded(name) }

// Interpreter returns what the program's dynamic linker says of itself, the zero value
// for a static program.
func (c *Closure) Interpreter() Interpreter { return c.interpreter }

// Cache returns the entries of an ld.so.cache, none if it can't be read.
func (l *Linker) Cache(name string) (Cache, error) {
	c := l.cache(name)
	return c.entries, c.err
}

// Place resolves a path.
func (l *Linker) Place(name string) (*Place, error) { return l.tree.walk(name) }

// LinkPlace is like Place, but doesn't follow a symbolic link in the last component.
func (l *Linker) LinkPlace(name string) (*Place, error) { return l.tree.walkLink(name) }

// Open opens the regular file at a place.
func (l *Linker) Open(p *Place) (fs.File, error) {
	place := *p // that open notes what it finds in
	f, err := l.tree.open(&place)
	if err != nil {
		return nil, err
	}
	return f.File, nil
}

// ReadDir returns the names in a directory, sorted, of which there may be maxNames.
func (l *Linker) ReadDir(p *Place) ([]string, error) {
	f, err := l.tree.fsys.Open(viewName(p.Real))
	if err != nil {
		return nil, pathError("open", p.Name, plain(err))
	}
	defer f.Close()
	dir, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, pathError("read", p.Name, unix.ENOTDIR)
	}
	entries, err := dir.ReadDir(maxNames + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, pathError("read", p.Name, plain(err))
	case len(entries) > maxNames:
		return nil, pathError("read", p.Name, fmt.Errorf("more than %d names", maxNames))
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// plain takes the operation and the name of the view off an error.
func plain(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// ReadFile reads a regular file of up to limit bytes.
func (l *Linker) ReadFile(name string, limit int64) ([]byte,
	error,
) {
	return l.tree.read(name, limit)
}
