//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"nsteps/binlibdepcp/ldso"
	"nsteps/internal/cmdline"
)

// many is how many files have their progress shown on a terminal.
const many = 100

// An output prints to stdout, and shows on stderr how far the copying is, if that is a
// terminal.
type output struct {
	w     *bufio.Writer
	quiet bool // no line a file

	total, done int       // files; total is 0 where no progress is shown
	shown       time.Time // when the progress was shown last
}

// begin starts the report on the copying of n files.
func (o *output) begin(n int) {
	if o.quiet {
		return
	}
	fmt.Fprint(o.w, "Copying ...\n\n")
	if n >= many && isTerminal(os.Stderr) {
		o.total = n
		o.progress()
	}
}

// line prints what became of a file, and why it is there if it is in no closure.
func (o *output) line(name, status, reason string) {
	if o.quiet {
		return
	}
	if reason != "" {
		status += " " + reason
	}
	fmt.Fprintf(o.w, "%25s : %s\n", cmdline.Printable(name), status)
	o.done++
	if o.total > 0 && time.Since(o.shown) > 100*time.Millisecond {
		o.progress()
	}
}

// progress prints the lines that have come together, and then the progress. Both may be
// on one terminal, so the progress goes before the next lines come.
func (o *output) progress() {
	o.clear()
	o.w.Flush()
	fmt.Fprintf(os.Stderr, "%d / %d files", min(o.done, o.total), o.total)
	o.shown = time.Now()
}

func (o *output) clear() {
	if !o.shown.IsZero() {
		fmt.Fprintf(os.Stderr, "\r%30s\r", "")
	}
}

// end ends the report.
func (o *output) end(ok bool) {
	if o.quiet {
		return
	}
	o.clear()
	if ok {
		fmt.Fprint(o.w, "\n...... Done\n")
	} else {
		fmt.Fprint(o.w, "\n...... Not complete\n")
	}
	o.w.Flush()
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// list prints the paths, one a line; as they are, unless for a terminal. Behind a path
// that is in no closure come a tab and the reason for it.
func (o *output) list(p *plan) {
	show := func(name string) string { return name }
	if isTerminal(os.Stdout) {
		show = cmdline.Printable
	}
	for _, f := range p.files {
		for _, place := range f.places {
			fmt.Fprint(o.w, show(place.Name))
			if f.reason != "" {
				fmt.Fprintf(o.w, "\t(%s)", f.reason)
			}
			fmt.Fprintln(o.w)
		}
	}
	for _, text := range p.texts {
		fmt.Fprintf(o.w, "%s\t(%s)\n", text.name, text.reason)
	}
}

// tree prints who needs what. What an object needs is shown where that comes first.
func (o *output) tree(closures []*ldso.Closure, p *plan) {
	for _, c := range closures {
		fmt.Fprintln(o.w, cmdline.Printable(c.Program.Name))
		o.print("", branches(c, p, map[*ldso.Object]bool{}))
	}
}

// A branch of the tree is a line, and what stands below it.
type branch struct {
	line  string
	below []branch
}

// branches returns what is below a program.
func branches(c *ldso.Closure, p *plan, shown map[*ldso.Object]bool) (list []branch) {
	for _, object := range c.Objects {
		if object.Rule == "PT_INTERP" {
			list = append(list, branch{line: object.Name + " (PT_INTERP)"})
		}
	}
	list = append(list, dependencies(c.Program, shown)...)
	for _, object := range c.Opened {
		list = append(list, branch{
			line: fmt.Sprintf("%s (%s, %s)", object.Name, object.Rule,
				opened(object, p)),
			below: dependencies(object, shown),
		})
	}
	for _, run := range c.Runs {
		list = append(list, branch{
			line:  fmt.Sprintf("%s (%s)", run.Program.Name, run.Program.Rule),
			below: branches(run, p, shown),
		})
	}
	return list
}

// opened tells who opens an object: a function of glibc's, or any code of its loader.
func opened(object *ldso.Object, p *plan) string {
	if reason := p.reasons[&object.Place]; strings.HasPrefix(reason, "opened by") {
		return reason
	}
	return "opened by " + object.Loader.Name
}

// dependencies returns the branches of an object, from top to bottom.
func dependencies(object *ldso.Object, shown map[*ldso.Object]bool) (list []branch) {
	for _, dep := range object.Deps {
		switch to := dep.Object; {
		case to == nil:
			list = append(list, branch{line: dep.Name + " => not found"})
		case shown[to]:
			list = append(list, branch{line: dep.Name + " ..."})
		default:
			shown[to] = true
			list = append(list, branch{
				line:  fmt.Sprintf("%s => %s (%s)", dep.Name, to.Name, to.Rule),
				below: dependencies(to, shown),
			})
		}
	}
	return list
}

func (o *output) print(indent string, list []branch) {
	for i, b := range list {
		corner, more := "├── ", "│   "
		if i == len(list)-1 {
			corner, more = "└── ", "    "
		}
		fmt.Fprintln(o.w, indent+corner+cmdline.Printable(b.line))
		o.print(indent+more, b.below)
	}
}

// The JSON that is printed, in which a path that isn't there is missing.
type (
	jsonReport struct {
		Programs []jsonProgram `json:"programs"`
		// with what became of them, if copied
		Files []jsonFile `json:"files,omitempty"`
	}
	jsonProgram struct {
		Path     string        `json:"path"`
		Real     string        `json:"real"`
		Objects  []jsonObject  `json:"objects"`
		Runs     []jsonProgram `json:"runs,omitempty"` // the programs of its #! line
		Problems []jsonProblem `json:"problems,omitempty"`
		Warnings []string      `json:"warnings,omitempty"`
	}
	jsonObject struct {
		Path   string `json:"path"`
		Real   string `json:"real"`
		Soname string `json:"soname,omitempty"`
		// why it is there, if not in the closure
		Extra  string     `json:"extra,omitempty"`
		Rule   string     `json:"rule,omitempty"`   // how it was found
		Loader string     `json:"loader,omitempty"` // for whom
		Also   []string   `json:"also,omitempty"`   // other paths by which it was found
		Needs  []jsonNeed `json:"needs,omitempty"`
	}
	jsonNeed struct {
		Tag  string `json:"tag"`
		Name string `json:"name"`
		Path string `json:"path,omitempty"`
	}
	jsonProblem struct {
		Name     string   `json:"name,omitempty"`
		By       string   `json:"by,omitempty"`
		Searched []string `json:"searched,omitempty"`
		Error    string   `json:"error"`
	}
	jsonFile struct {
		Path   string   `json:"path"`
		Also   []string `json:"also,omitempty"`
		Extra  string   `json:"extra,omitempty"`  // why it is there, if in no closure
		Status string   `json:"status,omitempty"` // OK, SKIPPED or FAILED
	}
)

func (o *output) json(closures []*ldso.Closure, p *plan) error {
	report := jsonReport{Programs: []jsonProgram{}}
	for _, c := range closures {
		report.Programs = append(report.Programs, newJSONProgram(c, p))
	}
	for _, f := range p.files {
		file := jsonFile{
			Path: f.name(), Extra: f.reason,
			Status: strings.Trim(f.status, "[]"),
		}
		for _, place := range f.places[1:] {
			file.Also = append(file.Also, place.Name)
		}
		report.Files = append(report.Files, file)
	}
	for _, t := range p.texts {
		report.Files = append(report.Files,
			jsonFile{Path: t.name, Extra: t.reason, Status: strings.Trim(t.status, "[]")})
	}
	report.Files = append(report.Files, p.written...)
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(report); err != nil {
		return err
	}
	// what a terminal could take for a command is escaped
	for _, r := range text.String() {
		if unicode.IsPrint(r) || r == '\n' || r > 0xffff {
			_, _ = o.w.WriteRune(r)
		} else {
			fmt.Fprintf(o.w, "\\u%04x", r)
		}
	}
	return nil
}

func newJSONProgram(c *ldso.Closure, p *plan) jsonProgram {
	program := jsonProgram{
		Path: c.Program.Name, Real: c.Program.Real,
		Warnings: c.Warnings,
	}
	for _, o := range c.Objects {
		object := jsonObject{
			Path: o.Name, Real: o.Real, Soname: o.Soname, Rule: o.Rule,
			Extra: p.reasons[&o.Place],
		}
		if o.Loader != nil {
			object.Loader = o.Loader.Name
		}
		for _, place := range o.Also {
			object.Also = append(object.Also, place.Name)
		}
		for _, dep := range o.Deps {
			need := jsonNeed{Tag: dep.Tag.String(), Name: dep.Name}
			if dep.Object != nil {
				need.Path = dep.Object.Name
			}
			object.Needs = append(object.Needs, need)
		}
		program.Objects = append(program.Objects, object)
	}
	for _, err := range c.Problems {
		problem := jsonProblem{Error: err.Error()}
		missing := &ldso.NotFound{}
		if errors.As(err, &missing) {
			problem.Name, problem.By = missing.Name, missing.By
			for _, source := range missing.Searched {
				problem.Searched = append(problem.Searched, source.String())
			}
		}
		program.Problems = append(program.Problems, problem)
	}
	for _, run := range c.Runs {
		program.Runs = append(program.Runs, newJSONProgram(run, p))
	}
	return program
}
