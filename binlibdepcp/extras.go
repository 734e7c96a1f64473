//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"nsteps/binlibdepcp/ldso"
)

// extraNames are the values of --with.
var extraNames = []string{"nss", "gconv", "terminfo", "dlopen", "certs", "locale"}

// extras are what programs open as they run. No ELF header names it.
type extras struct {
	linker   *ldso.Linker
	root     string // --root
	jail     string // the directory to copy to
	extra    []*ldso.Closure
	places   []*ldso.Place
	tree     []*ldso.Place          // directories, links and devices, from top to bottom
	texts    []*text                // files that are no copies
	reasons  map[*ldso.Place]string // why a file is there that is not in a closure
	notes    []string
	problems []error
	walked   map[string]bool // directories, by their real paths
	full     bool            // there are maxExtras places, and one too many was found
}

// maxExtras is how many files all directories together may add.
const maxExtras = 100_000

// A text is a file that is written, not copied.
type text struct{ name, content, reason, status string }

// addAll adds what programs open by themselves and what a person asks for: libraries to
// the closures that open them, other files to the places returned.
func (e *extras) addAll(closures []*ldso.Closure, with, also []string) error {
	e.reasons, e.walked = map[*ldso.Place]string{}, map[string]bool{}
	if err := e.also(also); err != nil {
		return err
	}
	libcs := map[ldso.Inode]bool{} // usually one of each ABI
	for _, c := range slices.Concat(all(closures), all(e.extra)) {
		e.because("--with dlopen", c,
			func() { e.dlopen(c, slices.Contains(with, "dlopen")) })
		if o := c.Find("libc.so.6"); o != nil && !libcs[o.Inode()] {
			libcs[o.Inode()] = true // what one libc opens is the same for all programs
			e.openedByLibc(c, with)
		}
		e.unwinder(c)
	}
	if slices.Contains(with, "gconv") && len(libcs) == 0 {
		e.notes = append(e.notes, "gconv is glibc's, and nothing here needs that")
	}
	for _, what := range extraNames {
		add := map[string]func(){
			"nss":      e.nameFiles,
			"terminfo": func() { e.terminfo(os.Getenv("TERM")) },
			"certs":    e.certs,
			"locale":   func() { e.locale(localeNames(os.Getenv)) },
		}[what]
		if slices.Contains(with, what) && add != nil {
			e.because("--with "+what, nil, add)
		}
	}
	e.needMore(closures, with, also)
	return nil
}

// openedByLibc adds the modules that glibc opens.
func (e *extras) openedByLibc(c *ldso.Closure, with []string) {
	gconv := "gconv"
	if slices.Contains(with, "locale") && needsCharset(localeNames(os.Getenv)) {
		gconv = "locale"
	}
	if !slices.Contains(with, "nss") && !slices.Contains(with, gconv) {
		return // so that libc's file needn't be read
	}
	libc := c.Libc()
	if libc == nil {
		return
	}
	if slices.Contains(with, "nss") {
		e.because("--with nss", c, func() { e.nss(c, libc) })
	}
	if slices.Contains(with, gconv) {
		e.because("--with "+gconv, c, func() { e.gconv(c, libc) })
	}
}

// because has files added, and notes why: to a closure, unless that is nil, and to
// places.
func (e *extras) because(reason string, c *ldso.Closure, add func()) {
	places, objects := len(e.places), 0
	if c != nil {
		objects = len(c.Objects)
	}
	add()
	for _, place := range e.places[places:] {
		e.reasons[place] = reason
	}
	if c != nil {
		for _, o := range c.Objects[objects:] {
			e.reasons[&o.Place] = reason
		}
	}
}

// unwinder adds the library that glibc opens to unwind the stack, if a file of the
// closure calls a function that does so.
func (e *extras) unwinder(c *ldso.Closure) {
	const name = "libgcc_s.so.1"
	libc := c.Find("libc.so.6")
	if libc == nil || c.Find(name) != nil {
		return
	}
	for _, o := range c.Objects {
		if o == libc || len(o.Unwinders) == 0 {
			continue
		}
		e.because("opened by glibc in "+o.Unwinders[0], c, func() {
			if _, err := c.Dlopen(name, libc); err != nil {
				e.notes = append(e.notes,
					fmt.Sprintf("%s calls %s, for which glibc opens %s: %v",
						o.Name, o.Unwinders[0], name, err))
			}
		})
		return
	}
}

// all returns the closures with those of the programs that scripts are run by.
func all(closures []*ldso.Closure) (list []*ldso.Closure) {
	for _, c := range closures {
		list = append(append(list, c), all(c.Runs)...)
	}
	return list
}

// add adds a file, or all files below a directory, and reports whether it is there. A
// directory is walked once: two links to "." in it would make paths without end.
func (e *extras) add(name string) bool {
	place, err := e.linker.Place(name)
	if errors.Is(err, fs.ErrPermission) {
		e.problems = append(e.problems, err)
	}
	if err != nil {
		return false
	}
	if !place.Info.IsDir() {
		return e.addFile(place)
	}
	if e.full || e.walked[place.Real] {
		return true
	}
	e.walked[place.Real] = true
	names, err := e.linker.ReadDir(place)
	if err != nil {
		e.problems = append(e.problems, err)
	}
	for _, base := range names {
		e.add(path.Join(name, base))
	}
	return true
}

func (e *extras) addFile(place *ldso.Place) bool {
	switch {
	case e.full:
		return false
	case len(e.places) == maxExtras:
		err := fmt.Errorf("more than %d files beside the programs", maxExtras)
		e.problems = append(e.problems,
			&fs.PathError{Op: "add", Path: place.Name, Err: err})
		e.full = true
		return false
	}
	e.places = append(e.places, place)
	return true
}

// dlopen loads what the objects of a closure say that they may open: all that is there,
// and an error for what is required and isn't. Otherwise a note tells what is left out.
func (e *extras) dlopen(c *ldso.Closure, wanted bool) {
	var left []string
	for i := 0; i < len(c.Objects); i++ { // it grows
		for _, d := range c.Objects[i].Dlopen {
			if !wanted {
				left = append(left, fmt.Sprintf("%s (%s, %s)",
					strings.Join(d.Soname, " or "), d.Feature, d.Priority))
				continue
			}
			var err error
			for _, soname := range d.Soname { // any one of them is enough
				if _, err = c.Dlopen(soname, c.Objects[i]); err == nil {
					break
				}
			}
			switch {
			case err == nil:
			case d.Priority == "required":
				e.problems = append(e.problems, err)
			case d.Priority == "recommended":
				e.notes = append(e.notes, fmt.Sprintf("%s has no %s: %v", c.Program.Name,
					d.Feature, err))
			}
		}
	}
	if left != nil {
		e.notes = append(e.notes,
			fmt.Sprintf("left out what %s may open as it runs: %s; see --with dlopen",
				c.Program.Name, strings.Join(left, ", ")))
	}
}

// nss adds the modules of the name service switch, and what tells their names:
// nsswitch.conf(5). Since glibc 2.34, files and dns are in libc itself.
func (e *extras) nss(c *ldso.Closure, libc *ldso.Libc) {
	const file = "/etc/nsswitch.conf"
	text, err := e.linker.ReadFile(file, 1<<20)
	if err != nil {
		e.notes = append(e.notes, "no name services: "+err.Error())
		return
	}
	e.add(file)
	var missing []string // glibc passes over them, too
	for _, service := range parseNSS(string(text)) {
		builtIn := service == "files" || service == "dns"
		if builtIn && !libc.OlderThan(34) {
			continue
		}
		if _, err := c.Dlopen("libnss_"+service+".so.2", libc.Object); err != nil {
			missing = append(missing, service)
		}
	}
	if missing != nil {
		e.notes = append(e.notes,
			fmt.Sprintf("no modules for %s, which %s names, are on this system for %s",
				strings.Join(missing, " and "), file, libc.Name))
	}
}

// parseNSS returns the services that a nsswitch.conf names, in their order.
func parseNSS(text string) (services []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		_, line, _ = strings.Cut(line, ":")
		inAction := false // as in [NOTFOUND=return]
		for word := range strings.FieldsSeq(strings.NewReplacer("[", " [ ", "]",
			" ] ").Replace(line)) {
			switch {
			case word == "[" || word == "]":
				inAction = word == "["
			case !inAction && !strings.Contains(word, "/") &&
				!slices.Contains(services, word):
				services = append(services, word)
			}
		}
	}
	return services
}

// gconv adds the modules by which iconv(3) converts character sets. Their directory is
// built into libc.
func (e *extras) gconv(c *ldso.Closure, libc *ldso.Libc) {
	place, err := e.linker.Place(libc.Gconv)
	if libc.Gconv == "" || err != nil || !place.Info.IsDir() {
		e.notes = append(e.notes, fmt.Sprintf("no gconv modules: %s has them in %q",
			libc.Name, libc.Gconv))
		return
	}
	names, err := e.linker.ReadDir(place)
	if err != nil {
		e.problems = append(e.problems, err)
	}
	for _, base := range names {
		name := path.Join(place.Name, base)
		if !strings.HasSuffix(base, ".so") {
			e.add(name)
		} else if _, err := c.Dlopen(name, libc.Object); err != nil {
			e.problems = append(e.problems, err)
		}
	}
}

// terminfo adds the descriptions of the usual terminals: terminfo(5).
func (e *extras) terminfo(term string) {
	found := false
	for _, name := range []string{
		term, "ansi", "dumb", "linux", "screen",
		"screen-256color", "tmux",
		"tmux-256color", "vt100", "vt220", "xterm", "xterm-256color", "xterm-color",
	} {
		if name == "" || strings.Contains(name, "/") {
			continue
		}
		for _, dir := range []string{
			"/etc/terminfo", "/lib/terminfo",
			"/usr/share/terminfo", "/usr/lib/terminfo",
		} {
			found = e.add(path.Join(dir, name[:1], name)) || found
		}
	}
	if !found {
		e.notes = append(e.notes, "no terminal descriptions: install those of ncurses")
	}
}
