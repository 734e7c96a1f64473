//go:build linux

package doctor

import (
	"fmt"
	"io"
	"strings"

	"nsteps/workshop/output"
)

// write prints a report for people. Prose is broken into lines, commands never are: they
// can be copied.
func write(w io.Writer, r report, columns int) {
	prose := func(prefix, text string) {
		fmt.Fprintln(w,
			output.Indent(prefix, text, columns))
	}
	one := func(d diagnosis) {
		prose("  ", d.Error)
		prose("  ", d.Cause)
		fmt.Fprintln(w, "  fix:", output.Bold.Sprint(d.Fix))
	}
	width := 0
	for _, s := range r.Steps {
		width = max(width, len(s.Name))
	}
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%-*s %s\n", width, s.Name, s.verdict())
	}
	if r.Prefix != "" {
		fmt.Fprintln(w)
		prose("", "To run a step without root, put this (or sudo) in front of it:")
		fmt.Fprintln(w, "  "+output.Bold.Sprint(r.Prefix))
	}
	for _, d := range r.Diagnoses {
		fmt.Fprintln(w)
		prose("", strings.Join(d.Steps, ", ")+":")
		one(d)
	}
	for _, d := range r.Notes {
		fmt.Fprintln(w)
		prose("", "Optional (the steps run without it):")
		one(d)
	}
}

// verdict tells a step that can't run from one about which nothing was found out.
func (s stepReport) verdict() string {
	switch {
	case s.Can:
		return output.Green.Sprint("can")
	case len(s.Causes) == 1 && s.Causes[0] == "slow":
		return output.Yellow.Sprint("unknown")
	}
	return output.Red.Sprint("can't")
}
