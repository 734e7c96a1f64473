//go:build linux

package randomtree

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// A generator makes a random tree. It knows few names, so that they meet often.
type generator struct {
	*rand.Rand
	tree     *tree
	programs []abi
	names    []string // of libraries
	dirs     []string // real ones, for files
	links    []string // of directories
	files    []string // paths of libraries
	filters  bool     // else objects open others: in which order, a filter would change
}

// random returns the tree of a seed.
func random(seed uint64) *tree {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), tree: &tree{}}
	g.filters = g.chance(40)
	g.programs = []abi{choose(g, abis...)}
	if g.chance(20) {
		g.programs = append(g.programs, choose(g, abis...))
	}
	g.names = someOf(g, 3+g.IntN(5), "liba.so", "libb.so.1", "libb.so.10", "libb.so.01",
		"libd.so", "libe.so", "libf.so.2")
	g.makeDirs()
	g.makeLoaders()
	for i, name := range g.names {
		for _, a := range g.programs {
			if g.chance(80) {
				g.makeLibrary(g.real(choose(g, a.system...)+"/"+name), a, g.names[i+1:])
			}
		}
		for range 1 + g.IntN(2) {
			a := choose(g, g.programs...)
			if g.chance(10) {
				a = choose(g, abis...)
			}
			g.makeLibrary(path.Join(g.dir(), name), a, g.names[i+1:])
		}
	}
	for i, a := range g.programs {
		g.makeProgram(fmt.Sprintf("/bin/app%d", i+1), a)
	}
	for range g.IntN(3) {
		g.makeOther()
	}
	g.makeStart()
	return g.tree
}

// chance is true for a percentage of the calls.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func choose[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// someOf returns n of these, in any order.
func someOf(g *generator, n int, from ...string) []string {
	g.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return from[:n]
}

func (g *generator) add(path, kind, value string, attributes ...attribute) {
	if slices.ContainsFunc(g.tree.nodes, func(n *node) bool { return n.path == path }) {
		return
	}
	g.tree.nodes = append(g.tree.nodes, &node{path, kind, value, attributes})
}

// makeDirs decides on the directories, and on the links to them.
func (g *generator) makeDirs() {
	system := choose(g, g.programs...).system
	g.dirs = someOf(g, 2+g.IntN(3), "/a", "/srv/d", "/opt/lib",
		"/srv/lib", "/bin", "/srv",
		"/opt/v-x86_64", "/a/v-i686")
	g.dirs = append(g.dirs, choose(g, system...), choose(g, system...))
	if g.chance(25) { // as most distributions have it: /lib is a link
		g.add("/lib", "link", choose(g, "usr/lib", "/usr/lib"))
		for i, dir := range g.dirs {
			if strings.HasPrefix(dir, "/lib/") || dir == "/lib" {
				g.dirs[i] = "/usr" + dir
			}
		}
	}
	for _, name := range []string{"/l", "/opt/link", "/a/l", "/srv/up"} {
		if g.chance(30) {
			target := choose(g, choose(g, g.dirs...), "../srv/d", "..", "srv",
				".", "/opt/none")
			g.add(name, "link", target)
			g.links = append(g.links, name)
		}
	}
}

// real returns a path with /lib as the link that it may be.
func (g *generator) real(path string) string {
	isLink := func(n *node) bool { return n.path == "/lib" }
	if g.tree.any(isLink) && strings.HasPrefix(path, "/lib/") {
		return "/usr" + path
	}
	return path
}

// makeLoaders adds the dynamic linkers, and libc.so.6 for dlopen(3).
func (g *generator) makeLoaders() {
	for _, a := range g.programs {
		g.add(g.real(a.interp), "loader", a.name)
		if a.libc != "" && g.chance(90) {
			g.add(g.real(choose(g, a.system...)+"/libc.so.6"), "libc", a.name)
		}
	}
}

// dir returns a directory for a file.
func (g *generator) dir() string {
	dir := choose(g, g.dirs...)
	if g.chance(8) {
		dir += "/glibc-hwcaps/x86-64-v" + choose(g, "2", "3", "4")
	}
	return dir
}

// makeLibrary adds a library. It may be a filter of some: two that are filters of each
// other keep the dynamic linker busy for ever.
func (g *generator) makeLibrary(file string, a abi, filtees []string) {
	name := path.Base(file)
	var attributes []attribute
	if !g.chance(20) {
		soname := name
		if g.chance(15) {
			soname = choose(g, g.names...)
		}
		attributes = append(attributes, attribute{"SONAME", soname})
	}
	attributes = append(attributes, g.needs(g.IntN(3))...)
	if g.filters && len(filtees) > 0 && g.chance(25) {
		key := choose(g, "FILTER", "AUXILIARY")
		attributes = append(attributes, attribute{key, choose(g, filtees...)})
	}
	attributes = append(attributes, g.paths()...)
	if g.chance(2) {
		attributes = append(attributes, attribute{"HEADER", g.damage()})
	}
	if g.chance(3) {
		attributes = append(attributes, attribute{"GONE", ""})
	}
	g.add(file, "library", a.name, attributes...)
	g.files = append(g.files, file)
}

// damage returns what is wrong with a file. musl looks at little of its header: it loads
// a library for another machine, and crashes.
func (g *generator) damage() string {
	if slices.ContainsFunc(g.programs, func(a abi) bool { return a.name == "musl" }) {
		return choose(g, "empty", "short", "osabi", "gnu", "abiversion", "pad",
			"relocatable", "executable")
	}
	return choose(g, damages...)
}

func (g *generator) makeProgram(name string, a abi) {
	attributes := append(g.needs(1+g.IntN(3)), g.paths()...)
	if a.libc != "" && g.chance(75) {
		attributes = slices.Insert(attributes, g.IntN(2),
			attribute{"NEEDED", "libc.so.6"})
	}
	if g.chance(5) { // musl finds /etc beside the directory of its dynamic linker
		interp := "/opt/lib/" + path.Base(a.interp)
		g.add(interp, "loader", a.name)
		attributes = append(attributes, attribute{"INTERP", interp})
		g.add("/opt/etc/ld-musl-x86_64.path", "text", g.searchPath(":"))
	}
	if g.chance(15) { // a program that a link leads to
		g.add("/srv/app"+name[len("/bin/app"):], "program", a.name, attributes...)
		g.add(name, "link", choose(g, "../srv/app", "/srv/app")+name[len("/bin/app"):])
		return
	}
	g.add(name, "program", a.name, attributes...)
}

// needs returns what an object needs, and what it opens.
func (g *generator) needs(n int) (attributes []attribute) {
	for range n {
		attributes = append(attributes, attribute{"NEEDED", g.need()})
	}
	if !g.filters && g.chance(30) {
		var names strings.Builder
		names.WriteString(g.need())
		for range g.IntN(3) {
			names.WriteString("|" + g.need())
		}
		attributes = append(attributes, attribute{"DLOPEN", names.String()})
	}
	return attributes
}

// need returns a name as in DT_NEEDED.
func (g *generator) need() string {
	name := choose(g, g.names...)
	switch g.IntN(40) {
	case 0:
		return choose(g, "libnone.so", "libc.so", "libm.so.6", "libc.so.6",
			"ld-linux-x86-64.so.2")
	case 1:
		return g.searchDir() + "/" + name
	case 2:
		if len(g.files) > 0 {
			return choose(g, g.files...)
		}
	case 3:
		return choose(g, "$ORIGIN/", "${ORIGIN}/../lib/", "$ORIGIN/$LIB/",
			"/a/v-$PLATFORM/") + name
	}
	return name
}

// paths returns the search paths of an object.
func (g *generator) paths() (attributes []attribute) {
	switch n := g.IntN(10); {
	case n < 3:
		attributes = append(attributes, attribute{"RPATH", g.searchPath(":")})
	case n < 6:
		attributes = append(attributes, attribute{"RUNPATH", g.searchPath(":")})
	case n == 6 && g.chance(50):
		attributes = append(attributes, attribute{"RPATH", g.searchPath(":")},
			attribute{"RUNPATH", g.searchPath(":")})
	}
	if g.chance(4) {
		attributes = append(attributes, attribute{"NODEFLIB", ""})
	}
	return attributes
}

func (g *generator) searchPath(separators string) string {
	var list strings.Builder
	list.WriteString(g.searchDir())
	for range g.IntN(3) {
		list.WriteString(string(separators[g.IntN(len(separators))]) + g.searchDir())
	}
	return list.String()
}

// searchDir returns a directory as in an RPATH, in most cases one that exists.
func (g *generator) searchDir() string {
	dir := choose(g, g.dirs...)
	if len(g.links) > 0 && g.chance(25) {
		dir = choose(g, g.links...)
		if g.chance(50) {
			dir += choose(g, "/..", "/../lib", "/../d", "/.")
		}
	}
	if !g.chance(30) {
		return dir
	}
	up := "$ORIGIN" + strings.Repeat("/..", g.IntN(4))
	return choose(g, "", ".", dir+"/", "/"+dir, dir+"//.", path.Dir(dir),
		dir[1:], "./"+dir[1:],
		"$ORIGIN", "${ORIGIN}", "$ORIGINx", "$NONE"+dir, up+dir, up+"/"+path.Base(dir),
		"/$LIB", "/usr/$LIB", "/${LIB}x", "/opt/v-$PLATFORM", "/a/v-${PLATFORM}",
		"/none", "/"+dir+"/none", "/bin/app1", dir+"/liba.so")
}

// makeOther adds a link to a library, a second name of one, or what is no library at all.
func (g *generator) makeOther() {
	name := path.Join(g.dir(), choose(g, g.names...))
	file := choose(g, g.files...)
	switch g.IntN(12) {
	case 0, 1, 2, 3:
		g.add(name, "link", choose(g, file, path.Base(file), ".."+file,
			"../.."+file, "none",
			path.Base(name)))
	case 4, 5, 6, 7:
		g.add(name, "same", file)
	case 8:
		g.add(name, choose(g, "dir", "socket", "text"), "")
	case 9:
		if len(g.programs) == 1 { // the other one couldn't relocate it
			g.add(name, "same", g.real(g.programs[0].interp))
		}
	case 10:
		g.add(name, "program", choose(g, g.programs...).name)
	case 11:
		g.add("/etc/ld-musl-x86_64.path", "text", g.searchPath(":"))
	}
}

// makeStart decides how the programs are started, and on an ld.so.cache.
func (g *generator) makeStart() {
	set := func(key, value string) {
		g.tree.attributes = append(g.tree.attributes, attribute{key, value})
	}
	if g.chance(20) {
		set("START", choose(g, g.dirs...))
	}
	if g.chance(15) {
		set("LIBRARY_PATH", g.searchPath(":;"))
	}
	if g.chance(40) {
		set("CONF", choose(g, g.dirs...))
		for g.chance(50) {
			set("CONF", choose(g, append(g.links, g.dirs...)...))
		}
	}
}
