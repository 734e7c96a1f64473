//go:build linux

// Package diff is the command workshop diff: the change from one step to the next.
package diff

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/fatih/color"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/common"
)

// wide is how many columns a terminal has for the two sides beside each other.
const wide = 150

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "show what a step adds to the one before",
		UsageText: "[options] step",
		Description: "A step is 2 to 6, or a name as net or step4-net. Side by side is what a terminal\n" +
			"of 150 columns or more shows.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "s", Aliases: []string{"side-by-side"}, Usage: "old and new beside each other"},
			&cli.BoolFlag{Name: "u", Aliases: []string{"unified"}, Usage: "one column, as diff -u prints it"},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	switch {
	case c.NArg() == 0:
		return &common.UsageError{Err: errors.New("no step")}
	case c.NArg() > 1:
		return &common.UsageError{Err: fmt.Errorf("one step, not %q too", c.Args().Get(1))}
	case c.Bool("side-by-side") && c.Bool("unified"):
		return &common.UsageError{Err: errors.New("--side-by-side or --unified, not both")}
	}
	names, err := steps(nsteps.Sources)
	if err != nil {
		return err
	}
	n, err := find(names, c.Args().First())
	if err != nil {
		return &common.UsageError{Err: err}
	}
	d, err := compare(nsteps.Sources, names[n-1], names[n])
	if err != nil {
		return err
	}

	columns := 0 // no terminal
	if size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		columns = int(size.Col)
	}
	w := bufio.NewWriter(os.Stdout)
	if c.Bool("side-by-side") || columns >= wide && !c.Bool("unified") {
		if columns == 0 {
			columns = wide
		}
		writeSides(w, d, columns)
	} else {
		writeUnified(w, d)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the output: %w", errors.Unwrap(err))
	}
	return nil
}

// steps returns the directories of the steps, in their order.
func steps(sources fs.FS) (names []string, err error) {
	files, err := fs.Glob(sources, "step*/main.go")
	for _, file := range files {
		names = append(names, path.Dir(file))
	}
	return names, err
}

// find returns the index of a step that has one before it. A step has three names: 4,
// net and step4-net.
func find(names []string, step string) (int, error) {
	var known []string
	for i, name := range names {
		number, short, _ := strings.Cut(strings.TrimPrefix(name, "step"), "-")
		if step != number && step != short && step != name {
			known = append(known, number+" ("+short+")")
			continue
		}
		if i == 0 {
			return 0, fmt.Errorf("%s is the first step, there is none before it", name)
		}
		return i, nil
	}
	return 0, fmt.Errorf("no step %q; there are %s", step, strings.Join(known[1:], ", "))
}

func compare(sources fs.FS, before, after string) (udiff.UnifiedDiff, error) {
	old, err := fs.ReadFile(sources, before+"/main.go")
	if err != nil {
		return udiff.UnifiedDiff{}, err
	}
	new, err := fs.ReadFile(sources, after+"/main.go")
	if err != nil {
		return udiff.UnifiedDiff{}, err
	}
	d, err := udiff.ToUnifiedDiff(before+"/main.go", after+"/main.go", string(old),
		slide(string(old), udiff.Lines(string(old), string(new))), udiff.DefaultContextLines)
	renumber(d.Hunks)
	return d, err
}

// slide moves lines that are only added down as far as they mean the same, as diff(1)
// does: so that a block ends with its own brace, not with the one before.
func slide(old string, edits []udiff.Edit) []udiff.Edit {
	for i := len(edits) - 1; i >= 0; i-- {
		e, end := &edits[i], len(old)
		if i < len(edits)-1 {
			end = edits[i+1].Start
		}
		for e.Start == e.End {
			line, _, found := strings.Cut(old[e.Start:end], "\n")
			if line += "\n"; !found || !strings.HasPrefix(e.New, line) {
				break
			}
			e.New = e.New[len(line):] + line
			e.Start += len(line)
			e.End = e.Start
		}
	}
	return edits
}

// renumber mends where hunks begin in the new file: behind one of several edits the
// library counts too little, https://go.dev/issue/81453.
func renumber(hunks []*udiff.Hunk) {
	added := 0
	for _, hunk := range hunks {
		hunk.ToLine = hunk.FromLine + added
		for _, line := range hunk.Lines {
			switch line.Kind {
			case udiff.Insert:
				added++
			case udiff.Delete:
				added--
			}
		}
	}
}

var (
	bold   = color.New(color.Bold)
	cyan   = color.New(color.FgCyan)
	red    = color.New(color.FgRed)
	green  = color.New(color.FgGreen)
	faint  = color.New(color.Faint)
	colour = map[udiff.OpKind]*color.Color{udiff.Delete: red, udiff.Insert: green}
)

// writeUnified colours the lines of a unified diff, which the library writes.
func writeUnified(w io.Writer, d udiff.UnifiedDiff) {
	for i, line := range strings.Split(strings.TrimSuffix(d.String(), "\n"), "\n") {
		switch {
		case i < 2: // the names of the files
			line = bold.Sprint(line)
		case strings.HasPrefix(line, "@@"):
			line = cyan.Sprint(line)
		case strings.HasPrefix(line, "-"):
			line = red.Sprint(line)
		case strings.HasPrefix(line, "+"):
			line = green.Sprint(line)
		}
		fmt.Fprintln(w, line)
	}
}
