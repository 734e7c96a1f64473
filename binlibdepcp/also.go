//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nsteps/binlibdepcp/ldso"
)

// maxWalk limits the entries of a directory tree that is copied.
const maxWalk = 1 << 20

// A walk adds a directory tree. It copies symbolic links as links, and the files that
// they lead to; it doesn't follow a link to a directory. So it ends, and it visits each
// directory once.
type walk struct {
	*extras
	dev     uint64 // the file system of the tree
	count   int
	visited map[string]bool // directories
	linked  []*ldso.Place   // directories that links lead to
	left    []string        // what is left out, and why
	missing []string        // what programs in the tree need and isn't there
	check   func(*ldso.Place) bool
}

// errRoot is the error of a tree that is a whole system.
var errRoot = errors.New("--also takes files and directories, not the whole of /")

// also adds files and trees that a person names. The errors are those of the names.
func (e *extras) also(names []string) error {
	var errs []error
	for _, name := range names {
		place, err := e.linker.Place(name)
		if err == nil && place.Real == "/" {
			err = errRoot
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e.because("--also", nil, func() { e.walk(place, nil) })
	}
	return errors.Join(errs...)
}

// walk adds a file, a harmless device or a directory tree. Of the files in a tree it adds
// those that pass a check.
func (e *extras) walk(top *ldso.Place, check func(*ldso.Place) bool) {
	w := &walk{extras: e, dev: device(top), visited: map[string]bool{}, check: check}
	switch mode := top.Info.Mode(); {
	case mode.IsDir() && top.Real == "/":
		e.problems = append(e.problems, errRoot)
	case mode.IsDir():
		w.directory(top)
		w.note(top)
	case mode.IsRegular():
		w.file(top)
		w.extra = append(w.extra, w.needs(top)...)
	case isHarmless(top):
		e.tree = append(e.tree, top)
	default:
		e.notes = append(e.notes, fmt.Sprintf("left out %s: a %s", top.Name, kind(mode)))
	}
}

// directory adds a directory, and what is in it.
func (w *walk) directory(dir *ldso.Place) {
	if w.visited[dir.Real] {
		return
	}
	w.visited[dir.Real] = true
	w.tree = append(w.tree, dir)
	names, err := w.linker.ReadDir(dir)
	if err != nil {
		w.problems = append(w.problems, err)
	}
	for _, name := range names {
		if w.count++; w.count > maxWalk {
			w.problems = append(w.problems,
				fmt.Errorf("%s: more than %d entries in the tree",
					dir.Name, maxWalk))
			return
		}
		place, err := w.linker.LinkPlace(path.Join(dir.Real, name))
		if err != nil {
			w.problems = append(w.problems, err)
			continue
		}
		w.entry(place)
	}
}

// entry adds what is in a directory.
func (w *walk) entry(place *ldso.Place) {
	switch mode := place.Info.Mode(); {
	case mode.IsDir() && place.Real == w.jail:
		w.leave(place, "the jail")
	case mode.IsDir() && device(place) != w.dev:
		w.leave(place, "another file system")
	case mode.IsDir():
		w.directory(place)
	case mode&fs.ModeSymlink != 0:
		w.link(place)
	case !mode.IsRegular():
		w.leave(place, kind(mode))
	case w.check == nil || w.check(place):
		w.file(place)
		w.libraries(place)
	default:
		w.leave(place, "not for everybody to read")
	}
}

// link adds a symbolic link, and the file that it leads to.
func (w *walk) link(place *ldso.Place) {
	to, err := w.linker.Place(place.Name)
	switch {
	case err != nil: // it leads nowhere, and so it will in the jail
		w.tree = append(w.tree, place)
	case to.Info.IsDir():
		w.tree = append(w.tree, place)
		w.linked = append(w.linked, to)
	case !to.Info.Mode().IsRegular():
		w.tree = append(w.tree, place)
		w.leave(place, "a link to a "+kind(to.Info.Mode()))
	case !w.trusts(to):
		w.tree = append(w.tree, place)
		w.leave(place, "a link to another user's file")
	case w.check == nil || w.check(to):
		w.file(to)
		w.libraries(to)
	default:
		w.leave(place, "not for everybody to read")
	}
}

// trusts reports whether the links to a file are its owner's, root's or the caller's. Any
// user can make a link to a file that only root can read, and root may copy the tree.
func (w *walk) trusts(to *ldso.Place) bool {
	for _, link := range to.Links {
		place, err := w.linker.LinkPlace(link.Name)
		if err != nil {
			return false
		}
		if by := owner(place); by != 0 && by != owner(to) &&
			by != uint32(unix.Geteuid()) {
			return false
		}
	}
	return true
}

func (w *walk) file(place *ldso.Place) { w.places = append(w.places, place) }

// libraries adds what a program or library in a tree needs. It is no error if something
// isn't there: the tree may hold more than the caller will use.
func (w *walk) libraries(place *ldso.Place) {
	for _, c := range w.needs(place) {
		for _, problem := range c.Problems {
			missing := &ldso.NotFound{}
			if errors.As(problem, &missing) {
				w.missing = append(w.missing, fmt.Sprintf("%s (for %s)",
					missing.Name, missing.By))
			} else {
				w.missing = append(w.missing, problem.Error())
			}
		}
		c.Problems = nil
		w.extra = append(w.extra, c)
	}
}

// needs returns the closures of a file that can be executed or looks like a library, and
// none of a data file.
func (w *walk) needs(place *ldso.Place) []*ldso.Closure {
	if place.Info.Mode()&0o111 == 0 && !strings.Contains(path.Base(place.Name), ".so") {
		return nil
	}
	c, err := w.linker.Closure(place.Name)
	if err != nil {
		return nil
	}
	for _, c := range all([]*ldso.Closure{c}) {
		for _, o := range c.Objects {
			w.reasons[&o.Place] = "--also"
		}
	}
	return []*ldso.Closure{c}
}

func (w *walk) leave(place *ldso.Place, why string) {
	w.left = append(w.left, fmt.Sprintf("%s (%s)", place.Name, why))
}

// note tells what is not in the copy of a tree.
func (w *walk) note(top *ldso.Place) {
	for _, to := range w.linked {
		inside := slices.ContainsFunc(w.tree,
			func(p *ldso.Place) bool { return p.Real == to.Real })
		if !inside {
			w.left = append(w.left,
				fmt.Sprintf("%s (a link to a directory: --also %s)", to.Name, to.Real))
		}
	}
	if w.left != nil {
		w.notes = append(w.notes, fmt.Sprintf("left out of %s: %s",
			top.Name, some(w.left)))
	}
	if w.missing != nil {
		w.notes = append(w.notes, fmt.Sprintf("not found for programs in %s: %s",
			top.Name, some(w.missing)))
	}
}

// some returns the first items of a list, and how many there are more.
func some(list []string) string {
	const most = 5
	if slices.Sort(list); len(list) <= most {
		return strings.Join(slices.Compact(list), ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// isHarmless reports whether a place is a device that gives a jail nothing of the host's:
// null(4), full(4), random(4), tty(4).
func isHarmless(place *ldso.Place) bool {
	stat, ok := place.Info.Sys().(*syscall.Stat_t)
	if !ok || stat.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	const memory, terminal = 1, 5
	switch minor := unix.Minor(stat.Rdev); unix.Major(stat.Rdev) {
	case memory: // null, zero, full, random, urandom
		return slices.Contains([]uint32{3, 5, 7, 8, 9}, minor)
	case terminal: // the terminal of the process that opens it
		return minor == 0
	}
	return false
}

// kind returns what a person calls a file that is neither regular nor a directory.
func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "FIFO"
	}
	return "device"
}

func device(place *ldso.Place) uint64 { return place.Inode().Dev }

func owner(place *ldso.Place) uint32 {
	if stat, ok := place.Info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return 0
}

// makeTree makes the directories and devices of trees. Until finishTree, nobody else can
// enter the directories that are new.
func (w *writer) makeTree() {
	for _, place := range w.tree {
		stat, ok := place.Info.Sys().(*syscall.Stat_t)
		if !ok || w.stopped.Load() {
			continue
		}
		var made bool
		var err error
		if place.Info.IsDir() {
			made, err = w.root.Mkdir(place.Real)
		} else {
			err = w.root.Device(place.Real, stat.Mode, stat.Rdev)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			w.fail(err)
		}
		if made {
			w.made = append(w.made, place)
		}
	}
}

// finishTree gives the directories that are new their owners, modes and times, the inner
// ones first: their mode may forbid to write.
func (w *writer) finishTree() {
	for _, place := range slices.Backward(w.made) {
		stat := place.Info.Sys().(*syscall.Stat_t)
		dropped, err := w.root.KeepDir(place.Real, stat)
		for _, what := range dropped {
			w.dropped[what] = append(w.dropped[what], path.Base(place.Name))
		}
		if err != nil {
			w.fail(err)
		}
	}
}

// writeTexts writes the files that aren't copies.
func (w *writer) writeTexts() {
	for _, text := range w.texts {
		if w.stopped.Load() {
			return
		}
		text.status = copied
		old, _ := w.root.ReadFile(text.name, maxAccounts)
		err := w.root.WriteFile(text.name,
			[]byte(addAccounts(string(old), text.content)), 0o644)
		switch {
		case errors.Is(err, fs.ErrExist):
			text.status = skipped
		case err != nil:
			text.status = failed
			w.fail(err)
		}
		w.out.line(path.Base(text.name), text.status, text.reason)
	}
}
