//go:build linux

package ns

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

// colours tell the letters apart, beside the letters themselves. The first is none.
var colours = []*output.Colour{
	nil, output.Green, output.Yellow, output.Cyan,
	output.Magenta, output.Blue, output.Red,
}

// A processMap has processes by their PIDs.
type processMap = map[int]*procs.Details

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
	hue  *output.Colour
}

const (
	label = 6     // columns of "cgroup"
	mark  = "*"   // beside what has changed
	blank = " "   // beside what is the same
	space = "  "  // between processes
	roomy = 10000 // columns of what is no terminal
)

// A row is a line of the table: its name, and a cell for each process.
type row struct {
	name  string
	cells []cell
}

// table lays processes out side by side, as many as so many columns have room for, and
// the others below. Before is how the processes were, to mark what has changed; it is nil
// if there is nothing to mark.
func table(processes []*procs.Details, columns int, before processMap) string {
	if columns <= 0 {
		columns = roomy
	}
	rows := heads(processes, before)
	for _, kind := range linux.Kinds {
		rows = append(rows, row{kind.File, cells(processes, kind.File, before)})
	}
	widths := make([]int, len(processes))
	for _, r := range rows {
		for i := range r.cells {
			r.cells[i].text = fit(r.cells[i].text, columns-label-1)
			widths[i] = max(widths[i], runewidth.StringWidth(r.cells[i].text))
		}
	}
	var b strings.Builder
	for from := 0; from < len(processes); {
		to := from + fitting(widths[from:], columns-label-1)
		if from > 0 {
			b.WriteString("\n")
		}
		for _, r := range rows {
			cells := line(r.cells[from:to], widths[from:to])
			fmt.Fprintf(&b, "%-*s %s\n", label, r.name, cells)
		}
		from = to
	}
	return b.String()
}

// heads returns the rows of the PIDs and of the commands.
func heads(processes []*procs.Details, before processMap) []row {
	pids, commands := row{name: "PID"}, row{}
	for _, p := range processes {
		old, known := before[p.PID]
		isNew := before != nil && !known
		pids.cells = append(pids.cells, marked(strconv.Itoa(p.PID), output.Bold, isNew))
		isOther := isNew || known && old.Command != p.Command
		commands.cells = append(commands.cells,
			marked(cmdline.Printable(p.Command), output.Bold, isOther))
	}
	return []row{pids, commands}
}

// cells returns the namespaces of one kind, each with its letter.
func cells(processes []*procs.Details, kind string, before processMap) (cells []cell) {
	for i, n := range letters(processes, kind) {
		p := processes[i]
		text, hue := "-", (*output.Colour)(nil)
		if n >= 0 {
			text = fmt.Sprintf("%d %s", p.Namespaces[kind], letter(n))
			hue = colours[n%len(colours)]
		}
		old, known := before[p.PID]
		isOther := known && old.Namespaces[kind] != p.Namespaces[kind]
		cells = append(cells, marked(text, hue, isOther))
	}
	return cells
}

func marked(text string, hue *output.Colour, hasChanged bool) cell {
	if hasChanged {
		return cell{text + mark, output.Reversed}
	}
	return cell{text + blank, hue}
}

// fitting returns how many processes fit into so many columns, at least one.
func fitting(widths []int, columns int) (n int) {
	used := -len(space)
	for n = range widths {
		if used += len(space) + widths[n]; used > columns {
			return max(n, 1)
		}
	}
	return n + 1
}

// line sets cells side by side.
func line(cells []cell, widths []int) string {
	var b strings.Builder
	for i, c := range cells {
		text := strings.TrimRight(c.text, " ")
		b.WriteString(output.Paint(c.hue, text))
		if i < len(cells)-1 {
			padding := widths[i] - runewidth.StringWidth(text)
			b.WriteString(strings.Repeat(" ", padding) + space)
		}
	}
	return b.String()
}

// fit returns a text in at most so many columns, but not less than a namespace takes.
func fit(text string, columns int) string {
	return runewidth.Truncate(text, max(columns, len("4026531836 A*")), "…")
}
