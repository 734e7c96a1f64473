//go:build linux

package randomtree

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"nsteps/binlibdepcp/ldso"
)

// compare returns the differences between what the dynamic linkers of a tree load for
// its programs and what package ldso finds, "" if there are none. With jail, each program
// is copied into one by binlibdepcp too, and has to load the same there.
func (l *lab) compare(t *tree, jail bool) (string, error) {
	if err := l.build(t); err != nil {
		return "", err
	}
	view, err := ldso.Below(l.dir)
	if err != nil {
		return "", err
	}
	linker := newLinker(t, view, l.cpu)
	for _, program := range t.programs() {
		want, err := l.ask(t, program)
		if err != nil {
			return "", err
		}
		if want.crashed {
			l.seen.add("the dynamic linker crashes, or doesn't end")
			continue
		}
		c, err := linker.Closure(program.path)
		if err != nil {
			return fmt.Sprintf("%s can't be read: %v\n", program.path, err), nil
		}
		got := find(c)
		least := func() []string { return baseline(t, program, view) }
		if why := want.differ(got, !t.hasFilters(), got.varies(t, l.cpu),
			least); why != "" {
			why = fmt.Sprintf("%s: %s\nloader:\n%sldso:\n%s",
				program.path, why, want, got)
			return why, nil
		}
		l.seen.addFeatures(trial{t, program, c, want})
		if jail && want.out != "" && t.start() == "/" { // where --root starts, too
			if why, err := l.compareJail(t, program, want, got); why != "" || err != nil {
				return why, err
			}
		}
	}
	return "", nil
}

func newLinker(t *tree, view fs.ReadLinkFS, cpu ldso.CPU) *ldso.Linker {
	linker := ldso.New(view, t.start())
	linker.CPU, linker.LibraryPath = cpu, value(t.attributes, "LIBRARY_PATH")
	return linker
}

// compareJail returns the difference between what a program has loaded in the tree and
// what it loads in a jail that binlibdepcp has filled.
func (l *lab) compareJail(t *tree, program *node, want, got answer) (string, error) {
	jail, note, status, err := l.copy(t, program)
	if err != nil {
		return "", err
	}
	if status != 0 && got.missing == nil {
		why := fmt.Sprintf("%s: binlibdepcp ends with %d: %s", program.path, status, note)
		return why, nil
	}
	r, err := l.runIn(jail, t, program)
	if err == nil && r.out != want.out {
		return fmt.Sprintf(
			"%s: not the same in a jail\ntree:\n%sjail:\n%s%s", program.path,
			want.out, r.out, r.errors), nil
	}
	l.seen.add("run in a jail")
	return "", err
}

// find returns the answer of package ldso.
func find(c *ldso.Closure) (a answer) {
	for _, problem := range c.Problems {
		if missing := (*ldso.NotFound)(nil); errors.As(problem, &missing) {
			a.missing = append(a.missing, plain(missing.Name))
			if missing.Err != nil && a.fatal == "" {
				a.fatal = missing.Error()
			}
		}
	}
	slices.Sort(a.missing)
	a.missing = slices.Compact(a.missing)
	for _, o := range c.Objects {
		for _, d := range o.Deps {
			if d.Object == nil && d.Tag != elf.DT_NEEDED {
				a.filters = append(a.filters, d.Name)
			}
		}
	}
	a.loaded = paths(c.Objects[1:])
	start := len(c.Objects)
	open(c)
	a.opened = paths(c.Objects[start:])
	slices.Sort(a.opened)
	for _, o := range c.Objects {
		for _, place := range append(o.Also, &o.Place) {
			a.variant = a.variant || strings.Contains(place.Name, "/glibc-hwcaps/")
			if o.Rule == "PT_INTERP" { // glibc loads it a second time, under another name
				a.interps = append(a.interps, plain(place.Name))
			}
		}
	}
	return a
}

// paths returns the paths of objects but for the interpreter.
func paths(objects []*ldso.Object) (all []string) {
	for _, o := range objects {
		if o.Rule != "PT_INTERP" {
			all = append(all, plain(o.Name))
		}
	}
	return all
}

// open opens what the dlopen notes of the objects name, as binlibdepcp does.
func open(c *ldso.Closure) {
	for i := 0; i < len(c.Objects); i++ { // it grows
		for _, d := range c.Objects[i].Dlopen {
			for _, soname := range d.Soname {
				if _, err := c.Dlopen(soname, c.Objects[i]); err == nil {
					break
				}
			}
		}
	}
}

// baseline returns the paths that are found for the least CPU: they are copied too.
func baseline(t *tree, program *node, view fs.ReadLinkFS) []string {
	c, err := newLinker(t, view, ldso.CPU{Platform: leastPlatform}).Closure(program.path)
	if err != nil {
		return nil
	}
	return find(c).loaded
}

const leastPlatform = "x86_64"

// varies reports whether another CPU may load something else.
func (a answer) varies(t *tree, cpu ldso.CPU) bool {
	return a.variant ||
		cpu.Platform != leastPlatform && strings.Contains(t.String(), "PLATFORM")
}

// hasFilters reports whether a library of the tree is a filter. What it filters comes
// before it in the list of glibc's dynamic linker, which makes no difference for a copy.
func (t *tree) hasFilters() bool {
	return t.any(func(n *node) bool {
		return has(n.attributes, "FILTER") || has(n.attributes, "AUXILIARY")
	})
}

// differ tells in what the answer of ldso differs from that of the dynamic linker, or
// returns "".
func (a answer) differ(got answer, ordered, varies bool,
	baseline func() []string,
) string {
	want, got := comparable(a, got)
	switch {
	case want.fatal != "" && got.fatal == "" && !slices.Contains(got.missing, want.fatal):
		return "only the dynamic linker gives up"
	case want.fatal != "":
		return ""
	case !slices.Equal(want.missing, got.missing):
		return "not the same names are missing"
	case want.noList:
		return ""
	}
	// What another CPU loads comes after what this one does.
	n := min(len(want.loaded), len(got.loaded))
	loaded, more := got.loaded[:n], got.loaded[n:]
	if !ordered {
		loaded, want.loaded = sorted(loaded), sorted(want.loaded)
	}
	switch {
	case !slices.Equal(want.loaded, loaded):
		return "not the same files are loaded"
	case len(more) > 0 && (!varies || !subset(more, baseline())):
		return "more files are loaded than for any CPU"
	case want.noDlopen || want.traced:
	case varies && !subset(want.opened, slices.Concat(got.loaded, got.opened)),
		!varies && !slices.Equal(want.opened, got.opened):
		return "dlopen doesn't load the same files"
	}
	return ""
}

func subset(part, of []string) bool {
	return !slices.ContainsFunc(part,
		func(s string) bool { return !slices.Contains(of, s) })
}

// comparable returns the answers without what they can't have in common: the missing
// names of filters, which LD_TRACE_LOADED_OBJECTS forgets while it has those of
// auxiliaries, and the interpreter, which glibc may load a second time.
func comparable(want, got answer) (answer, answer) {
	isInterp := func(path string) bool { return slices.Contains(got.interps, path) }
	want.loaded = slices.DeleteFunc(slices.Clone(want.loaded), isInterp)
	want.opened = slices.DeleteFunc(slices.Clone(want.opened), isInterp)
	if want.traced {
		want.missing, got.missing = got.withoutFilters(want.missing, got.missing),
			got.withoutFilters(got.missing, want.missing)
	}
	return want, got
}

// withoutFilters returns names but for those of filters that the others are without.
func (a answer) withoutFilters(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !slices.Contains(others, name) && slices.ContainsFunc(a.filters,
			func(filter string) bool { return path.Base(filter) == path.Base(name) })
	})
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
