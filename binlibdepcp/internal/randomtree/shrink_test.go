//go:build linux

package randomtree

import (
	"slices"
	"strings"
)

// shrink returns the smallest tree that it finds which still differs, by removing one
// thing after the other.
func shrink(t *tree, differs func(*tree) bool) *tree {
	for {
		smaller := smallerTrees(t)
		i := slices.IndexFunc(smaller, differs)
		if i < 0 {
			return t
		}
		t = smaller[i]
	}
}

// smallerTrees returns the trees with one thing less: a file, an attribute, a part of
// one.
func smallerTrees(t *tree) (all []*tree) {
	change := func(f func(*tree)) {
		c := t.clone()
		f(c)
		all = append(all, c)
	}
	for i := range t.nodes {
		change(func(c *tree) { c.nodes = slices.Delete(c.nodes, i, i+1) })
	}
	for _, attributes := range smallerAttributes(t.attributes) {
		change(func(c *tree) { c.attributes = attributes })
	}
	for i, n := range t.nodes {
		for _, attributes := range smallerAttributes(n.attributes) {
			change(func(c *tree) { c.nodes[i].attributes = attributes })
		}
	}
	return all
}

func smallerAttributes(attributes []attribute) (all [][]attribute) {
	for i, a := range attributes {
		all = append(all, slices.Delete(slices.Clone(attributes), i, i+1))
		for _, value := range smallerLists(a.value) {
			changed := slices.Clone(attributes)
			changed[i].value = value
			all = append(all, changed)
		}
	}
	return all
}

// smallerLists returns a list, as in an RPATH, without each of its elements.
func smallerLists(list string) (all []string) {
	const separators = ":;|"
	for i := strings.IndexAny(list, separators); i >= 0; {
		all = append(all, list[i+1:], list[:i])
		next := strings.IndexAny(list[i+1:], separators)
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return all
}
