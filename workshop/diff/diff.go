//go:build linux

// Package diff is the command workshop diff: the change from one step to the next, which
// make diffs has written to docs/diff.
package diff

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nsteps"
	"nsteps/docs"
	"nsteps/internal/cmdline"
	"nsteps/workshop/output"
)

// wide is how many columns a terminal needs for both sides, side by side.
const wide = 150

const description = `A step is a number from 2 on, or a name such as net or step4-net.
A terminal of 150 columns or more shows old and new side by side.`

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "diff",
		Usage:       "show the lines that a step adds to its base",
		UsageText:   "[options] step",
		Description: description,
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "s", Aliases: []string{"side-by-side"},
				Usage: "old and new side by side",
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
		return &cmdline.UsageError{Err: errors.New("name a step, for example 4")}
	case c.NArg() > 1:
		err := fmt.Errorf("one step, not %q too", c.Args().Get(1))
		return &cmdline.UsageError{Err: err}
	case c.Bool("side-by-side") && c.Bool("unified"):
		err := errors.New("--side-by-side or --unified, not both")
		return &cmdline.UsageError{Err: err}
	}
	step, err := find(c.Args().First())
	if err != nil {
		return &cmdline.UsageError{Err: err}
	}
	unified, err := docs.FS.ReadFile("diff/" + step.Name + ".diff")
	if err != nil {
		return err
	}
	columns, terminal := output.Columns()
	var b strings.Builder
	if c.Bool("side-by-side") || terminal && columns >= wide && !c.Bool("unified") {
		d, err := parse(string(unified))
		if err != nil {
			return err
		}
		writeSides(&b, d, cmp.Or(columns, wide))
	} else {
		writeUnified(&b, string(unified))
	}
	return output.Write(b.String())
}

// find returns a step that adds something to another.
func find(word string) (nsteps.Step, error) {
	step, err := nsteps.Find(word)
	if err == nil && step.Base == "" {
		err = fmt.Errorf("%s is the first step, there is none before it", step.Name)
	}
	return step, err
}

// A difference is what diff(1) prints with -u.
type difference struct {
	from, to string // the names of the files
	hunks    []hunk
}

// A hunk begins at a line of the one file, and at a line of the other.
type hunk struct {
	from, to int
	lines    []line
}

// A line was removed ('-'), was added ('+'), or is in both files (' ').
type line struct {
	sign byte
	text string
}

// parse reads what diff -u prints. The numbers of lines in a hunk aren't needed: a line
// with a sign belongs to the hunk before it.
func parse(unified string) (d difference, err error) {
	lines := strings.Split(strings.TrimSuffix(unified, "\n"), "\n")
	if len(lines) < 2 {
		return d, errors.New("a diff begins with the names of two files")
	}
	d.from = strings.TrimPrefix(lines[0], "--- ")
	d.to = strings.TrimPrefix(lines[1], "+++ ")
	for _, text := range lines[2:] {
		var h hunk
		var from, to string
		n, _ := fmt.Sscanf(text, "@@ -%s +%s @@", &from, &to)
		switch {
		case n == 2:
			h.from, err = first(from)
			if err == nil {
				h.to, err = first(to)
			}
			d.hunks = append(d.hunks, h)
		case text == "" || len(d.hunks) == 0:
			err = fmt.Errorf("not a line of a diff: %q", text)
		default:
			last := &d.hunks[len(d.hunks)-1]
			last.lines = append(last.lines, line{text[0], text[1:]})
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

// first returns the number of the first line, of "first,count" or "first".
func first(lines string) (int, error) {
	number, _, _ := strings.Cut(lines, ",")
	return strconv.Atoi(number)
}

var colours = map[byte]*output.Colour{'-': output.Red, '+': output.Green}

// writeUnified colours the lines of a unified diff.
func writeUnified(w io.Writer, unified string) {
	for i, text := range strings.Split(strings.TrimSuffix(unified, "\n"), "\n") {
		switch {
		case i < 2: // the names of the files
			text = output.Bold.Sprint(text)
		case strings.HasPrefix(text, "@@"):
			text = output.Cyan.Sprint(text)
		case text != "":
			text = output.Paint(colours[text[0]], text)
		}
		fmt.Fprintln(w, text)
	}
}
