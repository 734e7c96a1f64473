//go:build linux

package ldso

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// A space is a set of objects that know each other by name, such as a namespace of
// dlmopen(3).
type space struct {
	c       *Closure
	cpu     CPU
	audit   bool      // of an audit library
	objects []*Object // in the order in which they are loaded
	byName  map[string]*Object
	byInode map[Inode]*Object
}

// newSpace returns a space with these objects.
func (c *Closure) newSpace(objects ...*Object) *space {
	s := &space{
		c: c, cpu: c.cpu(), objects: objects,
		byName: map[string]*Object{}, byInode: map[Inode]*Object{},
	}
	for _, o := range objects {
		s.byInode[o.Inode()] = o
		s.name(o, o.Soname)
	}
	return s
}

// name makes an object known by a name, unless another one is.
func (s *space) name(o *Object, name string) {
	if name != "" && s.byName[name] == nil {
		s.byName[name] = o
	}
}

// problem notes an error, if it is one. Only the program itself can't do without.
func (s *space) problem(err error) {
	switch {
	case err == nil:
	case s.audit:
		s.c.warn("%s runs without its audit library: %v", s.c.Program.Name, err)
	case s == s.c.base:
		s.c.warn("on another CPU: %v", err)
	default:
		s.c.Problems = append(s.c.Problems, err)
	}
}

// load returns the object that meets a need: one that is there, or a new one.
func (s *space) load(name string, by *Object) (*Object, error) {
	c := s.c
	if !c.interpreter.Musl && strings.Contains(name, "$") {
		expanded, ok := s.tokens(by, name).Expand(name)
		if !ok {
			return nil, &NotFound{Name: name, By: by.Name, Err: errToken}
		}
		name = expanded
	}
	if o := s.loaded(name); o != nil {
		return o, nil
	}
	found, rule, err := s.find(name, by)
	if err != nil {
		return nil, err
	}
	if rule == "LD_LIBRARY_PATH" {
		c.warn("%s takes LD_LIBRARY_PATH=%s in a jail too",
			c.Program.Name, c.linker.LibraryPath)
	}
	if strings.Contains(found.place.Name, "/glibc-hwcaps/") {
		c.varies = true
	}
	return s.add(found, name, rule, by), nil
}

// loaded returns the object that is loaded under a name, or nil.
func (s *space) loaded(name string) *Object {
	c := s.c
	switch {
	case !c.interpreter.Musl:
		return s.byName[name]
	case c.interp != nil && (isMuslItself(name) || name == c.Program.Interp):
		return c.interp
	case strings.Contains(name, "/"):
		return nil
	}
	for _, o := range s.objects {
		if o.short == name {
			return o
		}
	}
	return nil
}

// add adds a file to what is loaded, under a name, unless the same file is there under
// another one.
func (s *space) add(found *opened, name, rule string, by *Object) *Object {
	inode := found.place.Inode()
	o := s.byInode[inode]
	if o == s.c.Program && s.c.interpreter.Musl {
		o = nil // musl doesn't know the inode of the program
	}
	if o == nil {
		o = &Object{
			Place: *found.place, File: found.file, Loader: by,
			Rule: rule, chain: by,
		}
		s.objects = append(s.objects, o)
		s.byInode[inode] = o
		if s == s.c.main {
			s.c.Objects = append(s.c.Objects, o)
		}
	} else {
		o.addPlace(found.place)
	}
	// A later request is met by path, by any name that led here before, and by SONAME.
	s.name(o, name)
	s.name(o, found.place.Name)
	s.name(o, o.Soname)
	// With musl it is met by the base name of the path that came first, once a search has
	// led here: load_library() of ldso/dynlink.c.
	if o.short == "" && o != s.c.interp && !strings.Contains(name, "/") {
		o.short = path.Base(o.Name)
	}
	return o
}

// dlopen loads what dlopen(3) of a name loads if an object calls it.
func (s *space) dlopen(name string, by *Object) (*Object, error) {
	n := len(s.objects)
	from := by
	if s.c.interpreter.Musl {
		from = s.c.Program // whoever calls it
	}
	o, err := s.load(name, from)
	if len(s.objects) > n {
		o.Loader, o.chain = by, s.c.Program
		s.loadNeeds(o)
	}
	return o, err
}

// forget takes back the objects from an index on, as dlopen(3) does if one of them needs
// something that isn't there.
func (s *space) forget(from int) {
	gone := s.objects[from:]
	isGone := func(o *Object) bool { return slices.Contains(gone, o) }
	for _, o := range gone {
		delete(s.byInode, o.Inode())
	}
	maps.DeleteFunc(s.byName, func(_ string, o *Object) bool { return isGone(o) })
	s.c.Objects = slices.DeleteFunc(s.c.Objects, isGone)
	s.objects = s.objects[:from]
}

// has reports whether the space has this object, and not only one of the same file.
func (s *space) has(o *Object) bool { return s != nil && s.byInode[o.Inode()] == o }

// counterpart returns the object that is in the place of one of another space.
func (s *space) counterpart(o *Object) *Object {
	if same := s.byInode[o.Inode()]; same != nil {
		return same
	}
	if same := s.byName[o.Soname]; same != nil {
		return same
	}
	return s.c.Program
}

// loadBaseline loads what the program loads on the least CPU of its machine, if that may
// differ: the jail may be run on one.
func (c *Closure) loadBaseline() {
	if c.base != nil || !c.varies {
		return
	}
	program := *c.Program
	program.Deps, program.loaded = nil, false
	c.base = c.newSpace(&program)
	c.base.cpu = c.baseline()
	if c.interp != nil {
		c.base.byInode[c.interp.Inode()] = c.interp
		c.base.name(c.interp, c.Program.Interp)
		c.base.name(c.interp, c.interp.Soname)
	}
	c.base.loadNeeds(&program)
	c.collect(c.base)
}

// loadAudit loads the libraries of DT_AUDIT and DT_DEPAUDIT of the program. Each has a
// namespace of its own, in which even libc is loaded again. The dynamic linker opens
// them, and goes on without one that isn't there: rtld-audit(7).
func (c *Closure) loadAudit() {
	if c.interpreter.Musl || c.interp == nil {
		return
	}
	for _, list := range c.Program.Audit {
		for name := range strings.SplitSeq(list, ":") {
			if name == "" {
				continue
			}
			s := c.newSpace()
			s.audit = true
			if o, err := s.dlopen(name, c.interp); err == nil {
				o.Loader = c.Program
				c.Opened = append(c.Opened, o)
				c.collect(s)
			}
		}
	}
}

// collect adds what is in another space than main to the objects. What is there already
// comes by other paths, perhaps.
func (c *Closure) collect(s *space) {
	if c.others == nil {
		c.others = map[Inode]*Object{}
	}
	for _, o := range s.objects {
		inode := o.Inode()
		known := c.main.byInode[inode]
		if known == nil {
			known = c.others[inode]
		}
		if known == nil {
			c.others[inode] = o
			c.Objects = append(c.Objects, o)
			continue
		}
		for _, place := range append([]*Place{&o.Place}, o.Also...) {
			known.addPlace(place)
		}
	}
}

// isMuslItself reports whether a name is that of musl's libc, which is its dynamic
// linker too, or of a part of it.
func isMuslItself(name string) bool {
	stem, _, _ := strings.Cut(strings.TrimPrefix(name, "lib"), ".")
	return strings.HasPrefix(name, "lib") && strings.Contains(name, ".") &&
		slices.Contains([]string{"c", "pthread", "rt", "m", "dl", "util", "xnet"}, stem)
}
