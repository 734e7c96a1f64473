//go:build linux

package diff

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"

	"nsteps/workshop/output"
)

// A side is one of the two halves of a row. Number is the line's in its file, 0 where
// there is none: beside a line that the other file doesn't have, or in the rest of a long
// line.
type side struct {
	number int
	text   string
	kind   byte // the sign of the line, 0 where there is none
}

// A row is a line before and a line after, side by side.
type row [2]side

// rows pairs the lines of a hunk. What goes stands beside what comes in its place.
func rows(h hunk) (rows []row) {
	number := [2]int{h.from, h.to}
	next := [2]int{} // the row that a removed or added line comes into
	for _, line := range h.lines {
		text := strings.ReplaceAll(line.text, "\t", "    ")
		if line.sign == ' ' {
			rows = append(rows, row{
				{number[0], text, line.sign}, {number[1], text, line.sign},
			})
			number[0]++
			number[1]++
			next = [2]int{len(rows), len(rows)}
			continue
		}
		half := 0
		if line.sign == '+' {
			half = 1
		}
		if next[half] == len(rows) {
			rows = append(rows, row{})
		}
		rows[next[half]][half] = side{number[half], text, line.sign}
		next[half]++
		number[half]++
	}
	return rows
}

// wrap returns a row as several, none of whose texts has more columns.
func wrap(r row, columns int) (rows []row) {
	for first := true; first || r[0].text != "" || r[1].text != ""; first = false {
		var part row
		for half := range r {
			s := &r[half]
			part[half] = side{kind: s.kind, text: output.Cut(s.text, columns)}
			s.text = s.text[len(part[half].text):]
			if first {
				part[half].number = s.number
			}
		}
		rows = append(rows, part)
	}
	return rows
}

// gutter is what a row takes besides the texts: two numbers of 4 columns, two signs,
// and three columns between the sides.
const gutter = 2*(4+3) + 3

// writeSides writes the old and the new lines side by side, into so many columns.
func writeSides(w io.Writer, d difference, columns int) {
	half := max(1, (columns-gutter)/2)
	write := func(before, after string) {
		fmt.Fprintln(w, strings.TrimRight(before+" │ "+after, " "))
	}
	from := runewidth.FillRight(output.Cut(d.from, half+7), half+7)
	write(output.Bold.Sprint(from), output.Bold.Sprint(output.Cut(d.to, half+7)))
	for _, hunk := range d.hunks {
		rule := strings.Repeat("─", half+7)
		fmt.Fprintln(w, output.Faint.Sprint(rule+"─┼─"+rule))
		for _, r := range rows(hunk) {
			for _, part := range wrap(r, half) {
				write(format(part[0], half), format(part[1], half))
			}
		}
	}
}

// format returns a side in its columns: the number, a sign, the text.
func format(s side, columns int) string {
	number, sign := "    ", " "
	if s.number > 0 {
		number = fmt.Sprintf("%4d", s.number)
		sign = string(s.kind)
	}
	text := sign + " " + s.text
	padding := strings.Repeat(" ", max(0, columns-runewidth.StringWidth(s.text)))
	if s.number > 0 || s.text != "" {
		text = output.Paint(colours[s.kind], text)
	}
	return output.Faint.Sprint(number) + " " + text + padding
}
