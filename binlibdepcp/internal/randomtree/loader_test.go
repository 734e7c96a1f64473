//go:build linux

package randomtree

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An answer tells what is loaded for a program.
type answer struct {
	loaded   []string // paths, in their order, without the program and its interpreter
	opened   []string // further ones, sorted, that its dlopen notes brought
	missing  []string // names that were not found, sorted
	filters  []string // missing too, those of DT_FILTER and DT_AUXILIARY
	interps  []string // other names of the interpreter
	variant  bool     // a file is for some CPUs only
	fatal    string   // what ended the search: the rest of the answer is void
	crashed  bool     // the dynamic linker itself has failed
	noList   bool     // the dynamic linker has not told what it had loaded
	out      string   // what the program has printed
	noDlopen bool     // the program has no dlopen(3)
	traced   bool     // it was asked with LD_TRACE_LOADED_OBJECTS
}

// ask runs a program of the tree, and returns what its dynamic linker has loaded.
func (l *lab) ask(t *tree, program *node) (answer, error) {
	r, err := l.runIn(l.dir, t, program)
	// two libraries that are filters of each other: no end
	if err != nil || r.status < 0 {
		return answer{crashed: r.status < 0}, err
	}
	if r.status == 0 {
		return fromLists(t, program, r.out), nil
	}
	if program.value == "musl" {
		return fromMusl(r.errors), nil
	}
	r, err = l.runIn(l.dir, t, program, "LD_TRACE_LOADED_OBJECTS=1")
	return fromTrace(t, program, r), err
}

// fromLists reads the two lists that testdata/program.c prints.
func fromLists(t *tree, program *node, out string) answer {
	a := answer{out: out}
	first, rest, _ := strings.Cut(out, "--\n")
	second, _, _ := strings.Cut(rest, "--\n")
	for name := range strings.SplitSeq(first, "\n") {
		a.add(t, program, name)
	}
	if second == "" {
		a.noDlopen = true
		return a
	}
	start := a.loaded
	a.loaded = nil
	for name := range strings.SplitSeq(second, "\n") {
		a.add(t, program, name)
	}
	for _, name := range a.loaded {
		if !slices.Contains(start, name) {
			a.opened = append(a.opened, name)
		}
	}
	slices.Sort(a.opened)
	a.loaded = start
	return a
}

func (a answer) String() string {
	var b strings.Builder
	for _, list := range []struct {
		what  string
		names []string
	}{{"loaded", a.loaded}, {"opened", a.opened}, {"missing", a.missing}} {
		for _, name := range list.names {
			fmt.Fprintf(&b, "  %-8s%s\n", list.what, name)
		}
	}
	if a.fatal != "" {
		fmt.Fprintf(&b, "  %-8s%s\n", "error", a.fatal)
	}
	return b.String()
}

// add adds a path that the dynamic linker has named. A relative one starts from the
// directory that the program was started in.
func (a *answer) add(t *tree, program *node, name string) {
	if name == "" || name == program.interp() ||
		strings.HasPrefix(name, "linux-vdso.so.") ||
		strings.HasPrefix(name, "linux-gate.so.") {
		return
	}
	a.loaded = append(a.loaded, absolute(t, name))
}

// absolute returns a path that the dynamic linker has named as ldso does.
func absolute(t *tree, name string) string {
	if !strings.HasPrefix(name, "/") {
		name = strings.TrimSuffix(t.start(), "/") + "/" + name
	}
	return plain(name)
}

// plain returns a name without the "." in the middle that a relative RPATH leaves there.
func plain(name string) string {
	for strings.Contains(name, "/./") {
		name = strings.ReplaceAll(name, "/./", "/")
	}
	return name
}

var (
	traceLine  = regexp.MustCompile(`^\t(?:(.*) => )?(.*?)(?: \(0x[0-9a-f]+\))?$`)
	fatalError = regexp.MustCompile(`error while loading shared libraries: (.*?): `)
	muslError  = regexp.MustCompile(
		`(?m)^Error loading shared library (.*?): .*\(needed by `)
)

// fromTrace reads what glibc's dynamic linker prints with LD_TRACE_LOADED_OBJECTS.
func fromTrace(t *tree, program *node, r result) (a answer) {
	if r.status != 0 {
		a.fatal = "?"
		if m := fatalError.FindStringSubmatch(r.errors); m != nil {
			a.fatal = m[1]
		}
		a.crashed = r.status < 0
		return a
	}
	a.traced = true
	for line := range strings.Lines(r.out) {
		part := traceLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if part[2] == "not found" {
			a.missing = append(a.missing, plain(part[1]))
		} else {
			a.add(t, program, part[2])
		}
	}
	slices.Sort(a.missing)
	a.missing = slices.Compact(a.missing)
	return a
}

// fromMusl reads the errors of musl's dynamic linker.
func fromMusl(errors string) answer {
	a := answer{noList: true}
	for _, m := range muslError.FindAllStringSubmatch(errors, -1) {
		a.missing = append(a.missing, plain(m[1]))
	}
	slices.Sort(a.missing)
	a.missing = slices.Compact(a.missing)
	return a
}
