//go:build linux

package randomtree

import (
	"fmt"
	"slices"
	"strings"
)

// A tree describes a file tree, and how its programs are started.
type tree struct {
	attributes []attribute // START, LIBRARY_PATH, CONF
	nodes      []*node     // in the order in which they are made
}

// A node describes a file. Its path has no symbolic links.
type node struct {
	path       string
	kind       string // program, library, link, dir, same, text, socket, loader or libc
	value      string // an ABI, the target of a link, another name, a text
	attributes []attribute
}

// An attribute is an entry of a dynamic section, under its name in elf.h without DT_, or
// one of these: INTERP, DLOPEN a|b for a note, HEADER for what is wrong in the ELF
// header, GONE.
type attribute struct{ key, value string }

// values returns the values of a key, in their order.
func values(attributes []attribute, key string) (all []string) {
	for _, a := range attributes {
		if a.key == key {
			all = append(all, a.value)
		}
	}
	return all
}

// value returns the first value of a key, or "".
func value(attributes []attribute, key string) string {
	if all := values(attributes, key); all != nil {
		return all[0]
	}
	return ""
}

func has(attributes []attribute,
	key string,
) bool {
	return values(attributes, key) != nil
}

// start returns the directory that programs are started in.
func (t *tree) start() string {
	if dir := value(t.attributes, "START"); dir != "" {
		return dir
	}
	return "/"
}

// programs returns the programs that are to be started: those of /bin, or what a link
// there leads to, by the name there.
func (t *tree) programs() (all []*node) {
	for _, n := range t.nodes {
		number, ok := strings.CutPrefix(n.path, "/bin/app")
		for _, p := range t.nodes {
			if ok && p.kind == "program" && (p == n || p.path == "/srv/app"+number) {
				all = append(all, &node{n.path, p.kind, p.value, p.attributes})
			}
		}
	}
	return all
}

// interp returns the PT_INTERP of a program.
func (n *node) interp() string {
	if interp := value(n.attributes, "INTERP"); interp != "" {
		return interp
	}
	return findABI(n.value).interp
}

// clone returns a copy that can be changed.
func (t *tree) clone() *tree {
	c := &tree{attributes: slices.Clone(t.attributes)}
	for _, n := range t.nodes {
		copied := *n
		copied.attributes = slices.Clone(n.attributes)
		c.nodes = append(c.nodes, &copied)
	}
	return c
}

// String returns the tree in the form that parseTree reads.
func (t *tree) String() string {
	var b strings.Builder
	line := func(start string, attributes []attribute) {
		b.WriteString(start)
		for _, a := range attributes {
			b.WriteString(strings.TrimSuffix("; "+a.key+" "+a.value, " "))
		}
		b.WriteByte('\n')
	}
	line("tree", t.attributes)
	for _, n := range t.nodes {
		line(strings.TrimSuffix(n.path+" "+n.kind+" "+n.value, " "), n.attributes)
	}
	return b.String()
}

// parseTree reads the description of a tree. A line that starts with # is a comment.
func parseTree(text string) (*tree, error) {
	t := &tree{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, "; ")
		var attributes []attribute
		for _, part := range parts[1:] {
			key, value, _ := strings.Cut(part, " ")
			attributes = append(attributes, attribute{key, value})
		}
		if parts[0] == "tree" {
			t.attributes = attributes
			continue
		}
		words := strings.SplitN(parts[0], " ", 3)
		if len(words) < 2 || !strings.HasPrefix(words[0], "/") {
			return nil, fmt.Errorf("not a file of a tree: %s", line)
		}
		n := &node{path: words[0], kind: words[1], attributes: attributes}
		if len(words) == 3 {
			n.value = words[2]
		}
		t.nodes = append(t.nodes, n)
	}
	return t, nil
}
