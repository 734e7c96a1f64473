//go:build linux

package play

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"nsteps/workshop/output"
	"nsteps/workshop/page"
)

// most is how many lines of an output the demo shows, so that a chapter fits on a screen.
const most = 8

// A board shows what is typed and printed in the two terminals side by side: terminal 1
// in the left column, terminal 2 in the right one. On a screen that is too small for two
// columns, and where only one terminal is used, it shows one step below the other.
type board struct {
	*player
	columns bool // there is room for two
	width   int  // of a column
	column  int  // that is written to
	used    [2]int
	begun   int           // the row where the last step began
	worded  bool          // the last step had a sentence
	at      int           // the row of the cursor
	rows    [][2]string   // what isn't printed yet, without a terminal
	made    int           // rows on the screen
	last    page.Terminal // that was named, without columns
}

// gap is what stands between the columns.
const gap = " │ "

// newBoard returns the board of a chapter.
func newBoard(p *player, ch *page.Chapter) *board {
	b := &board{player: p, width: p.width}
	both := first(ch, 1) != "" && first(ch, 2) != ""
	if both && p.width >= output.Prose && (!p.terminal || p.moves && height(ch) < p.rows) {
		b.split()
	}
	return b
}

// split makes two columns.
func (b *board) split() {
	b.columns = true
	b.width = (b.player.width - runewidth.StringWidth(gap)) / 2
}

// height returns how many rows the two columns of a chapter have, given the outputs that
// its page shows. On a screen with fewer, the cursor would not get back to the first one.
func height(ch *page.Chapter) int {
	b := &board{player: &player{width: output.Prose}}
	b.split()
	b.open()
	for _, step := range scenes(ch) {
		b.begin(step.Terminal, step.Demo)
		lines := step.Lines
		if step.Demo == "" {
			lines = lines[len(lines)-1:]
		}
		for _, line := range lines {
			_ = b.typed(context.Background(), prompt(step), line)
		}
		b.output(step.Output)
	}
	return len(b.rows)
}

// open prints the names of the terminals.
func (b *board) open() {
	if !b.columns {
		return
	}
	for i, name := range []string{" terminal 1: on the host ", " terminal 2: goes inside "} {
		b.column = i
		b.line(name, colours[page.Terminals[i]].Sprint(name))
	}
}

// begin begins a step beside the last one, if its column is free there.
func (b *board) begin(terminal page.Terminal, sentence string) {
	b.column = int(terminal) - 1
	if !b.columns {
		b.print("\n")
		if b.last != terminal {
			b.print(colours[terminal].Sprint(" "+terminal.String()+" ") + "\n")
		}
		b.last = terminal
	} else {
		if b.used[b.column] > 1 && b.worded {
			b.used[b.column]++ // a free row, but not behind a line that starts a shell
		}
		b.worded = sentence != ""
		b.begun = max(b.used[b.column], b.begun)
		b.used[b.column] = b.begun
	}
	if sentence != "" {
		for line := range strings.SplitSeq(output.Fill(sentence, b.width), "\n") {
			b.line(line, marked(line))
		}
	}
}

// typed shows a command as if somebody typed it.
func (b *board) typed(ctx context.Context, prompt, command string) error {
	lines := wrapped(prompt+command, b.width, "  ")
	for i, line := range lines {
		if i == 0 {
			line = strings.TrimPrefix(line, prompt)
		} else {
			prompt = ""
		}
		if !b.terminal {
			b.line(prompt+line, prompt+line)
			continue
		}
		b.place()
		b.print(prompt)
		for j, r := range line {
			pressed, err := b.key(ctx, b.stroke)
			if err != nil && pressed != forward && pressed != back {
				return err
			}
			if pressed != none {
				b.print(output.Bold.Sprint(line[j:]))
				break
			}
			b.print(output.Bold.Sprint(string(r)))
		}
		b.end()
	}
	return b.err
}

// output shows what a command has printed.
func (b *board) output(text string) {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		lines = append(lines, wrapped(strings.TrimRight(line, " "), b.width, "")...)
	}
	if len(lines) > most {
		more := fmt.Sprintf("(%d more lines)", len(lines)-most+1)
		lines = append(slices.Clone(lines[:most-1]), more)
	}
	if text != "" {
		for _, line := range lines {
			b.line(line, line)
		}
	}
}

// line writes a line into the next row of the column: text, as it is painted.
func (b *board) line(text, painted string) {
	if b.columns && !b.terminal {
		row := b.used[b.column]
		for len(b.rows) <= row {
			b.rows = append(b.rows, [2]string{})
		}
		b.rows[row][b.column] = text
		b.used[b.column]++
		return
	}
	b.place()
	b.print(painted)
	b.end()
}

// end ends a line where there are no columns. Where there are, place goes to the next.
func (b *board) end() {
	if !b.columns {
		b.print("\n")
	}
}

// place moves the cursor to the next row of the column, and makes the rows that it needs.
func (b *board) place() {
	if !b.columns {
		return
	}
	row := b.used[b.column]
	b.used[b.column]++
	if up := b.at - min(row, max(b.made-1, 0)); up > 0 {
		b.print(fmt.Sprintf("\x1b[%dA", up))
		b.at -= up
	}
	for ; b.at < row && b.at < b.made-1; b.at++ {
		b.print("\x1b[B")
	}
	for ; b.made <= row; b.made++ {
		if b.made > 0 {
			b.print("\n")
			b.at++
		}
		b.print(fmt.Sprintf("\x1b[%dG%s", b.width+1, gap))
	}
	b.print(fmt.Sprintf("\x1b[%dG", 1+b.column*(b.width+runewidth.StringWidth(gap))))
}

// close ends the board; what follows is printed below it.
func (b *board) close() {
	if b.columns && b.terminal && b.made > 0 {
		b.print(strings.Repeat("\n", b.made-b.at))
		b.made, b.at = 0, 0
	}
	for _, row := range b.rows {
		left := runewidth.FillRight(row[0], b.width)
		b.print(strings.TrimRight(left+gap+row[1], " ") + "\n")
	}
	b.rows = nil
}

// wrapped breaks a line into lines of so many columns, at a space or a slash where there
// is one, and puts an indent before all but the first.
func wrapped(line string, columns int, indent string) (lines []string) {
	line = strings.ReplaceAll(line, "\t", "    ")
	for prefix := ""; ; prefix = indent {
		line = prefix + line
		first := output.Cut(line, columns)
		if first == line {
			return append(lines, line)
		}
		if at := strings.LastIndexByte(first, ' '); at > columns/2 {
			first = first[:at]
		} else if at := strings.LastIndexByte(first, '/'); at > columns/2 {
			first = first[:at+1]
		}
		lines = append(lines, first)
		line = strings.TrimLeft(line[len(first):], " ")
	}
}
