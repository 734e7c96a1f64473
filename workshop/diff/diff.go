//go:build linux

// Package diff is the command workshop diff: the change from one step to the next.
package diff

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/urfave/cli/v2"

	"nsteps"
	"nsteps/common"
	"nsteps/workshop/output"
)

// wide is how many columns a terminal has for the two sides beside each other.
const wide = 150

const description = `A step is a number from 2, or a name such as net or step4-net.
A terminal of 150 columns or more shows both sides beside each other.`

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "diff",
		Usage:       "show what a step adds to the one before",
		UsageText:   "[options] step",
		Description: description,
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "s", Aliases: []string{"side-by-side"},
				Usage: "old and new beside each other",
			},
			&cli.BoolFlag{
				Name: "u", Aliases: []string{"unified"},
				Usage: "one column, as diff -u prints it",
			},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	switch {
	case c.NArg() == 0:
		return &common.UsageError{Err: errors.New("no step")}
	case c.NArg() > 1:
		err := fmt.Errorf("one step, not %q too", c.Args().Get(1))
		return &common.UsageError{Err: err}
	case c.Bool("side-by-side") && c.Bool("unified"):
		err := errors.New("--side-by-side or --unified, not both")
		return &common.UsageError{Err: err}
	}
	before, after, err := find(c.Args().First())
	if err != nil {
		return &common.UsageError{Err: err}
	}
	d, err := compare(nsteps.Sources, before.Source(), after.Source())
	if err != nil {
		return err
	}
	columns, terminal := output.Columns()
	var b strings.Builder
	if c.Bool("side-by-side") || terminal && columns >= wide && !c.Bool("unified") {
		writeSides(&b, d, cmp.Or(columns, wide))
	} else {
		writeUnified(&b, d)
	}
	return output.Write(b.String())
}

// find returns a step, and the one that it adds something to.
func find(word string) (before, after nsteps.Step, err error) {
	if after, err = nsteps.Find(word); err != nil {
		return before, after, err
	}
	if after.Base == "" {
		err = fmt.Errorf("%s is the first step, there is none before it", after.Name)
		return before, after, err
	}
	before, err = nsteps.Find(after.Base)
	return before, after, err
}

// compare returns the difference of two files.
func compare(sources fs.FS, before, after string) (udiff.UnifiedDiff, error) {
	from, err := fs.ReadFile(sources, before)
	if err != nil {
		return udiff.UnifiedDiff{}, err
	}
	to, err := fs.ReadFile(sources, after)
	if err != nil {
		return udiff.UnifiedDiff{}, err
	}
	edits := slide(string(from), udiff.Lines(string(from), string(to)))
	d, err := udiff.ToUnifiedDiff(before, after, string(from), edits,
		udiff.DefaultContextLines)
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

// renumber fixes where hunks begin in the new file: behind one of several edits the
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

var colours = map[udiff.OpKind]*output.Colour{
	udiff.Delete: output.Red, udiff.Insert: output.Green,
}

// writeUnified colours the lines of a unified diff, which the library writes.
func writeUnified(w io.Writer, d udiff.UnifiedDiff) {
	for i, line := range strings.Split(strings.TrimSuffix(d.String(), "\n"), "\n") {
		switch {
		case i < 2: // the names of the files
			line = output.Bold.Sprint(line)
		case strings.HasPrefix(line, "@@"):
			line = output.Cyan.Sprint(line)
		case strings.HasPrefix(line, "-"):
			line = output.Red.Sprint(line)
		case strings.HasPrefix(line, "+"):
			line = output.Green.Sprint(line)
		}
		fmt.Fprintln(w, line)
	}
}
