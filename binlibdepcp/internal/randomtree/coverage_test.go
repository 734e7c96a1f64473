//go:build linux

package randomtree

import (
	"debug/elf"
	"path"
	"slices"
	"strings"

	"nsteps/binlibdepcp/ldso"
)

// A trial is a program of a tree, and what was loaded for it.
type trial struct {
	tree    *tree
	program *node
	closure *ldso.Closure
	want    answer
}

// counts tells of how many trials a feature was a part.
type counts map[string]int

func (c counts) add(what string) {
	if c != nil {
		c[what]++
	}
}

func (c counts) addFeatures(t trial) {
	for _, f := range features {
		if c != nil && f.in(t) {
			c[f.name]++
		}
	}
}

// features are what the trees are about. The test fails if one of them was in no trial:
// it would test less than it seems to.
var features = []struct {
	name string
	in   func(trial) bool
}{
	{"a program for x86-64", func(t trial) bool { return t.program.value == "x86-64" }},
	{"a program for i386", func(t trial) bool { return t.program.value == "i386" }},
	{"a program of musl's", func(t trial) bool { return t.program.value == "musl" }},
	{"two ABIs", twoABIs},
	{
		"another PT_INTERP",
		func(t trial) bool { return has(t.program.attributes, "INTERP") },
	},
	{"a start elsewhere", func(t trial) bool { return t.tree.start() != "/" }},
	{"all found", func(t trial) bool {
		return t.want.missing == nil &&
			t.want.fatal == ""
	}},
	{"something missing", func(t trial) bool { return t.want.missing != nil }},
	{"a fatal error", func(t trial) bool { return t.want.fatal != "" }},

	{"RPATH", foundBy("RPATH")},
	{"RPATH, inherited", object(inherits)},
	{"RUNPATH", foundBy("RUNPATH")},
	{"RPATH and RUNPATH", object(hasBoth)},
	{"LD_LIBRARY_PATH", foundBy("LD_LIBRARY_PATH")},
	{"ld.so.cache", foundBy("/etc/ld.so.cache")},
	{"ld.so.cache, stale", stale},
	{"system directories", foundBy("system directories")},
	{"ld-musl-x86_64.path", func(t trial) bool { return t.closure.PathFile != nil }},
	{"a name with a slash", foundBy("its path")},
	{"DF_1_NODEFLIB", object(func(o *ldso.Object) bool { return o.NoDefLib })},
	{"$ORIGIN", token("ORIGIN")},
	{"$LIB", token("LIB")},
	{"$PLATFORM", token("PLATFORM")},

	{
		"a link to the program",
		func(t trial) bool { return t.closure.Program.Links != nil },
	},
	{"a link to a library", object(isLink)},
	{"a link to a directory", object(byLink)},
	{"link/..", object(byLinkAndBack)},
	{"two names of a file", object(func(o *ldso.Object) bool { return o.Also != nil })},
	{"another SONAME", object(isNamed)},
	{"glibc-hwcaps", object(isVariant)},
	{"a file in the way", func(t trial) bool { return t.tree.any(inTheWay) }},
	{"another class", anotherClass},

	{"DT_FILTER", dependency(elf.DT_FILTER, true)},
	{"DT_AUXILIARY", dependency(elf.DT_AUXILIARY, true)},
	{"DT_AUXILIARY, missing", dependency(elf.DT_AUXILIARY, false)},
	{"a cycle", object(isInCycle)},
	{"dlopen", func(t trial) bool { return t.want.opened != nil }},
	{"dlopen by a library", object(func(o *ldso.Object) bool { return o.Dlopen != nil })},
}

func twoABIs(t trial) bool {
	programs := t.tree.programs()
	return programs[0].value != programs[len(programs)-1].value
}

func stale(t trial) bool {
	return has(t.tree.attributes, "CONF") &&
		t.tree.any(func(n *node) bool { return has(n.attributes, "GONE") })
}

// inTheWay reports whether a node has the name of a library and is none.
func inTheWay(n *node) bool {
	return has(n.attributes, "HEADER") || strings.Contains(path.Base(n.path), ".so") &&
		slices.Contains([]string{"dir", "socket", "text", "program"}, n.kind)
}

func anotherClass(t trial) bool {
	return t.tree.any(func(n *node) bool {
		return n.kind == "library" &&
			findABI(n.value).flag != findABI(t.program.value).flag
	})
}

func (t *tree) any(is func(*node) bool) bool { return slices.ContainsFunc(t.nodes, is) }

// object returns a feature that an object besides the program has.
func object(is func(*ldso.Object) bool) func(trial) bool {
	return func(t trial) bool { return slices.ContainsFunc(t.closure.Objects[1:], is) }
}

func base(o *ldso.Object) string { return path.Base(o.Name) }

func isLink(o *ldso.Object) bool    { return base(o) != path.Base(o.Real) }
func byLink(o *ldso.Object) bool    { return o.Links != nil && !isLink(o) }
func isNamed(o *ldso.Object) bool   { return o.Soname != "" && o.Soname != base(o) }
func isVariant(o *ldso.Object) bool { return strings.Contains(o.Name, "/glibc-hwcaps/") }
func hasBoth(o *ldso.Object) bool   { return o.Rpath != "" && o.HasRunpath }

func byLinkAndBack(o *ldso.Object) bool {
	return byLink(o) &&
		strings.Contains(o.Name, "/..")
}

func inherits(o *ldso.Object) bool {
	return strings.HasPrefix(o.Rule, "RPATH of ") && o.Rule != "RPATH of "+o.Loader.Name
}

func isInCycle(o *ldso.Object) bool {
	return slices.ContainsFunc(o.Deps, func(d ldso.Dependency) bool {
		return d.Object != nil && slices.ContainsFunc(d.Object.Deps,
			func(back ldso.Dependency) bool { return back.Object == o })
	})
}

func foundBy(rule string) func(trial) bool {
	return object(func(o *ldso.Object) bool {
		return o.Rule == rule || strings.HasPrefix(o.Rule, rule+" of ")
	})
}

func token(name string) func(trial) bool {
	return func(t trial) bool {
		return slices.ContainsFunc(t.closure.Objects, func(o *ldso.Object) bool {
			paths := o.Rpath + o.Runpath
			return strings.Contains(paths, "$"+name) ||
				strings.Contains(paths, "${"+name+"}")
		})
	}
}

func dependency(tag elf.DynTag, there bool) func(trial) bool {
	return object(func(o *ldso.Object) bool {
		return slices.ContainsFunc(o.Deps, func(d ldso.Dependency) bool {
			return d.Tag == tag && there == (d.Object != nil)
		})
	})
}
