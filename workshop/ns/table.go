//go:build linux

package ns

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"

	"nsteps/common"
	"nsteps/workshop/procs"
)

// colours tell the letters apart, beside the letters themselves. The first is none.
var colours = []*color.Color{
	nil, color.New(color.FgGreen), color.New(color.FgYellow), color.New(color.FgCyan),
	color.New(color.FgMagenta), color.New(color.FgBlue), color.New(color.FgRed),
}

var (
	bold    = color.New(color.Bold)
	changed = color.New(color.ReverseVideo)
)

// paint is for a colour that may be none.
func paint(c *color.Color, text string) string {
	if c == nil {
		return text
	}
	return c.Sprint(text)
}

// letters gives each process the letter of its namespace of one kind, as 0 for A: equal
// namespaces have equal letters, and that of the first process is A. It is -1 where the
// kernel has no such namespaces.
func letters(processes []*procs.Details, kind string) (letters []int) {
	seen := map[uint64]int{}
	for _, p := range processes {
		inode, ok := p.Namespaces[kind]
		if !ok {
			letters = append(letters, -1)
			continue
		}
		if _, ok := seen[inode]; !ok {
			seen[inode] = len(seen)
		}
		letters = append(letters, seen[inode])
	}
	return letters
}

// letter returns A to Z, AA to AZ, BA and so on.
func letter(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letter(n/26-1) + letter(n%26)
}

// A cell is what stands at one place of the table.
type cell struct {
	text string
	hue  *color.Color
}

const (
	label = 6     // columns of "cgroup"
	mark  = "*"   // beside what has changed
	blank = " "   // beside what has not
	space = "  "  // between processes
	roomy = 10000 // columns of what is no terminal
)

// table lays processes out beside each other, as many as so many columns have room for,
// and the others beneath. Before is how the processes were, to mark what has changed; it
// is nil if there is nothing to mark.
func table(processes []*procs.Details, columns int, before map[int]*procs.Details) string {
	if columns <= 0 {
		columns = roomy
	}
	rows := [][]cell{nil, nil} // the PIDs, the commands, and a row for each kind
	for _, p := range processes {
		pid, command := cell{strconv.Itoa(p.PID) + blank, bold}, cell{common.Printable(p.Command) + blank, bold}
		old, ok := before[p.PID]
		if before != nil && !ok {
			pid = cell{strconv.Itoa(p.PID) + mark, changed}
		}
		if before != nil && (!ok || old.Command != p.Command) {
			command = cell{common.Printable(p.Command) + mark, changed}
		}
		rows[0], rows[1] = append(rows[0], pid), append(rows[1], command)
	}
	for _, kind := range procs.Kinds {
		var row []cell
		for i, n := range letters(processes, kind) {
			p := processes[i]
			c := cell{"-", nil}
			if n >= 0 {
				c = cell{fmt.Sprintf("%d %s", p.Namespaces[kind], letter(n)), colours[n%len(colours)]}
			}
			if old, ok := before[p.PID]; ok && old.Namespaces[kind] != p.Namespaces[kind] {
				c = cell{c.text + mark, changed}
			} else {
				c.text += blank
			}
			row = append(row, c)
		}
		rows = append(rows, row)
	}

	widths := make([]int, len(processes))
	for i := range processes {
		for _, row := range rows {
			row[i].text = fit(row[i].text, columns-label-1)
			widths[i] = max(widths[i], runewidth.StringWidth(row[i].text))
		}
	}
	var b strings.Builder
	for from := 0; from < len(processes); {
		to, used := from, label+1
		for to < len(processes) && (to == from || used+len(space)+widths[to] <= columns) {
			if to > from {
				used += len(space)
			}
			used += widths[to]
			to++
		}
		if from > 0 {
			b.WriteString("\n")
		}
		for n, row := range rows {
			name := ""
			switch {
			case n == 0:
				name = "PID"
			case n > 1:
				name = procs.Kinds[n-2]
			}
			var line strings.Builder
			for i := from; i < to; i++ {
				text := strings.TrimRight(row[i].text, " ")
				if i > from {
					line.WriteString(space)
				}
				line.WriteString(paint(row[i].hue, text))
				if i < to-1 {
					line.WriteString(strings.Repeat(" ", widths[i]-runewidth.StringWidth(text)))
				}
			}
			fmt.Fprintf(&b, "%-*s %s\n", label, name, line.String())
		}
		from = to
	}
	return b.String()
}

// fit returns a text in at most so many columns, but not less than a namespace takes.
func fit(text string, columns int) string {
	return runewidth.Truncate(text, max(columns, len("4026531836 A*")), "…")
}
