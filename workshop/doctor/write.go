//go:build linux

package doctor

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"
	"golang.org/x/sys/unix"
)

// width returns how long lines of prose may be.
func width() int {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80
	}
	return min(int(size.Col), 80)
}

// write prints a report for people. Prose is wrapped, commands never are: they can be
// copied.
func write(w io.Writer, r report, width int) {
	can, cannot := color.GreenString("can"), color.RedString("can't")
	unknown := color.YellowString("unknown")
	for _, s := range r.Steps {
		verdict := can
		switch {
		case len(s.Causes) == 1 && s.Causes[0] == "slow":
			verdict = unknown
		case !s.Can:
			verdict = cannot
		}
		fmt.Fprintf(w, "%-12s %s\n", s.Name, verdict)
	}
	if r.Prefix != "" {
		fmt.Fprintln(w)
		wrap(w, "", "To run a step without root, put this (or sudo) in front of it:", width)
		fmt.Fprintln(w, "  "+color.New(color.Bold).Sprint(r.Prefix))
	}
	for _, d := range r.Diagnoses {
		fmt.Fprintln(w)
		wrap(w, "", strings.Join(d.Steps, ", ")+":", width)
		writeOne(w, d, width)
	}
	for _, d := range r.Notes {
		fmt.Fprintln(w)
		wrap(w, "", "Optional (the steps run without it):", width)
		writeOne(w, d, width)
	}
}

func writeOne(w io.Writer, d diagnosis, width int) {
	wrap(w, "  ", d.Error, width)
	wrap(w, "  ", d.Cause, width)
	fmt.Fprintln(w, "  fix:", color.New(color.Bold).Sprint(d.Fix))
}

// wrap prints words, in lines as long as may be.
func wrap(w io.Writer, indent, text string, width int) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(indent+line+" "+word) > width {
			fmt.Fprintln(w, indent+line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	fmt.Fprintln(w, indent+line)
}
