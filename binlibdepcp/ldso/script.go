//go:build linux

package ldso

import (
	"bytes"
	"errors"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxScripts is how many #! lines may lead from one to the next: exec_binprm() of the
// kernel's fs/exec.c.
const maxScripts = 5

// SearchPath is where a command is looked for: the PATH that the steps set.
var SearchPath = []string{
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
	"/sbin", "/bin",
}

// ParseScript returns the interpreter that the first line of a script names, and the
// rest of that line, one argument, if the file starts with #!.
func ParseScript(head []byte) (interpreter, argument string, ok bool) {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", "", false
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	line, _, _ = bytes.Cut(line, []byte{0})
	text := strings.Trim(string(line), " \t") // a carriage return is part of the name
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		return text, "", text != ""
	}
	return text[:end], strings.TrimLeft(text[end:], " \t"), true
}

// script returns the closure of a script: the file, and those of what its #! line names.
// It returns nil for a file that has no such line.
func (l *Linker) script(p *Place) (*Closure, error) { return l.scriptIn(p, maxScripts) }

func (l *Linker) scriptIn(p *Place, depth int) (*Closure, error) {
	f, err := l.tree.open(p)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 4096)
	n, err := f.ReadAt(head, 0)
	f.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, pathError("read", p.Name, err)
	}
	name, argument, ok := ParseScript(head[:n])
	if !ok {
		return nil, nil
	}
	c := l.closure(&opened{place: p, file: &File{}})
	c.run(name, "#! line", depth)
	if path.Base(name) != "env" {
		return c, nil
	}
	env := ParseEnv(argument)
	if env.Command == "" {
		c.warn("which command env runs for %s, its line doesn't tell plainly", p.Name)
	} else if file := l.lookPath(env.Command, env.Path); file != "" {
		c.run(file, "env", depth)
	} else {
		c.Problems = append(c.Problems, &NotFound{
			Name: env.Command, By: p.Name,
			Searched: []Source{{Rule: "PATH", Dirs: env.Path}},
		})
	}
	return c, nil
}

// run adds the closure of a program that a script is run by.
func (c *Closure) run(name, rule string, depth int) {
	found := c.linker.open(name)
	var run *Closure
	err := found.err
	switch {
	case found.place == nil:
	case err == nil:
		run, err = c.linker.Closure(name)
	case (errors.Is(err, ErrMagic) || errors.Is(err, ErrShort)) && depth > 1:
		if run, err = c.linker.scriptIn(found.place, depth-1); run == nil && err == nil {
			err = ErrMagic
		}
	case errors.Is(err, ErrMagic) || errors.Is(err, ErrShort):
		err = unix.ELOOP
	}
	if err != nil {
		c.Problems = append(c.Problems, &NotFound{
			Name: name, By: c.Program.Name,
			Err: pathError("load", name, err),
		})
		return
	}
	run.Program.Rule = rule
	c.Runs = append(c.Runs, run)
}

// LookPath returns the path of a command that is named without one, or "" if there is no
// such command. Where /bin is a link to /usr/bin, it is the shorter one: in a jail both
// names will be there then.
func (l *Linker) LookPath(command string) string {
	return l.lookPath(command,
		SearchPath)
}

func (l *Linker) lookPath(command string, dirs []string) string {
	if strings.Contains(command, "/") {
		return command
	}
	for _, dir := range dirs {
		file := dir + "/" + command
		p, err := l.tree.walk(file)
		if err == nil && p.Info.Mode().IsRegular() && p.Info.Mode()&0o111 != 0 {
			short, err := l.tree.walk(strings.TrimPrefix(file, "/usr"))
			if err == nil && short.Real == p.Real {
				return short.Name
			}
			return file
		}
	}
	return ""
}
