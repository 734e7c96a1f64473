//go:build linux

package main

import (
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"path"
	"slices"
	"strings"

	"nsteps/binlibdepcp/ldso"
)

// A plan is what is to be in the jail.
type plan struct {
	dirs  []string    // that paths lead through by ".."
	links []ldso.Link // symbolic links, as paths lead through them
	// one for each inode, in the order of their first need
	files    []*file
	caches   []string               // the ld.so.caches that dynamic linkers read,
	order    binary.AppendByteOrder // in which byte order
	system   []string               // the directories that they search without these
	tree     []*ldso.Place          // directories and devices of trees
	texts    []*text
	problems []error
	notes    []string   // what else to know
	written  []jsonFile // what is in the jail besides the files

	jail      string // what lies in there stays
	temporary bool   // the jail becomes an image, and is removed
	reasons   map[*ldso.Place]string
	byInode   map[ldso.Inode]*file
	seen      map[string]bool
}

// A file is a regular file, with all paths that have to lead to it.
type file struct {
	places []*ldso.Place
	reason string // why it is there, "" if it is in the closure of a program
	status string // [OK], [SKIPPED] or [FAILED], once it is known
}

// name returns the path that the file was first needed by.
func (f *file) name() string { return f.places[0].Name }

// newPlan brings together what all programs need, but for what lies below a directory,
// the jail.
func newPlan(closures []*ldso.Closure, extras *extras) *plan {
	p := &plan{
		jail: extras.jail, reasons: extras.reasons, texts: extras.texts,
		order: binary.LittleEndian, byInode: map[ldso.Inode]*file{},
		seen: map[string]bool{},
	}
	for _, c := range slices.Concat(closures, extras.extra) {
		p.addClosure(c)
	}
	for _, place := range extras.tree {
		p.addWay(place)
		if place.Info.Mode()&fs.ModeSymlink == 0 {
			p.tree = append(p.tree, place)
		}
	}
	for _, place := range extras.places {
		p.add(place, p.reasons[place])
	}
	p.problems = append(p.problems, extras.problems...)
	for _, note := range extras.notes {
		p.note(note)
	}
	return p
}

func (p *plan) addClosure(c *ldso.Closure) {
	for _, o := range c.Objects {
		reason := p.reasons[&o.Place]
		p.add(&o.Place, reason)
		for _, place := range o.Also {
			p.add(place, reason)
		}
	}
	if c.PathFile != nil {
		p.add(c.PathFile, "")
	}
	p.system = append(p.system, c.Interpreter().SystemDirs...)
	if cache := c.Interpreter().Cache; cache != "" && !p.seen["cache "+cache] {
		p.seen["cache "+cache] = true
		p.caches = append(p.caches, cache)
		if c.Program.Data == elf.ELFDATA2MSB {
			p.order = binary.BigEndian
		}
	}
	p.problems = append(p.problems, c.Problems...)
	for _, warning := range c.Warnings {
		p.note(warning)
	}
	for _, run := range c.Runs {
		p.addClosure(run)
	}
}

func (p *plan) note(text string) {
	if !slices.Contains(p.notes, text) {
		p.notes = append(p.notes, text)
	}
}

// add adds a path, and what it leads through. The reason is "" if a closure has it.
func (p *plan) add(place *ldso.Place, reason string) {
	if p.jail != "" && strings.HasPrefix(place.Real, p.jail+"/") {
		return
	}
	inode := place.Inode()
	f := p.byInode[inode]
	if f == nil {
		f = &file{reason: reason}
		p.byInode[inode] = f
		p.files = append(p.files, f)
	}
	if reason == "" {
		f.reason = "" // the closure of another program has it
	}
	if !p.seen[place.Name] {
		p.seen[place.Name] = true
		p.addWay(place)
		f.places = append(f.places, place)
	}
}

// addWay adds the directories and links that a path leads through.
func (p *plan) addWay(place *ldso.Place) {
	for _, dir := range place.Dirs {
		if !p.seen["dir "+dir] {
			p.seen["dir "+dir] = true
			p.dirs = append(p.dirs, dir)
		}
	}
	for _, link := range place.Links {
		if !p.seen["link "+link.Name] {
			p.seen["link "+link.Name] = true
			p.links = append(p.links, link)
		}
	}
}

// base returns what the copying of a file is shown by.
func (f *file) base() string { return path.Base(f.name()) }
