//go:build linux

// Package output is what the commands of workshop have in common in writing to a
// terminal.
package output

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
)

// Columns returns the columns of the terminal that stdout is, if it is one.
func Columns() (columns int, terminal bool) {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}

// Rows returns the rows of the terminal that stdout is, or 0.
func Rows() int {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}

// Prose is how many columns a line of prose has at most, where there is room for more or
// no terminal.
const Prose = 80

// ProseColumns returns the columns for lines of prose.
func ProseColumns() int {
	columns, _ := Columns()
	if columns <= 0 {
		return Prose
	}
	return min(columns, Prose)
}

// Write writes a text to stdout. A command that has more to do ends with the error.
func Write(text string) error {
	_, err := io.WriteString(cmdline.Stdout, text)
	return err
}

// Count returns "1 process", or "2 processes", the plural being given.
func Count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// List joins words, at most so many that a person can take them in.
func List(words []string, separator string) string {
	const most = 4
	if len(words) > most+1 {
		words, rest := words[:most], len(words)-most
		return strings.Join(words, separator) + fmt.Sprintf(" and %d more", rest)
	}
	return strings.Join(words, separator)
}

// JSON returns a value as one line of JSON. Package json leaves DEL, the controls from
// U+0080 and those that change the direction of text as they are, and a terminal obeys
// them: here they are escaped, so that a program reads the same string.
func JSON(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	var escaped strings.Builder
	for _, r := range b.String() {
		if r == '\n' || strconv.IsPrint(r) {
			escaped.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&escaped, `\u%04x`, unit)
		}
	}
	return escaped.String(), nil
}

// Fill breaks a text into lines of at most so many columns; longer words stay whole.
func Fill(text string, columns int) string {
	if columns <= 0 {
		return text
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		joined := cmp.Or(line, word)
		if line != "" {
			joined = line + " " + word
		}
		if line != "" && runewidth.StringWidth(joined) > columns {
			lines = append(lines, line)
			joined = word
		}
		line = joined
	}
	return strings.Join(append(lines, line), "\n")
}

// Indent breaks a text into lines of at most so many columns, all of them behind a
// prefix.
func Indent(prefix, text string, columns int) string {
	lines := Fill(text, max(columns-runewidth.StringWidth(prefix), 1))
	return prefix + strings.ReplaceAll(lines, "\n", "\n"+prefix)
}

// Cut returns the start of a text that fits into so many columns, at least a character.
func Cut(text string, columns int) string {
	width := 0
	for i, r := range text {
		width += runewidth.RuneWidth(r)
		if width > columns && i > 0 {
			return text[:i]
		}
	}
	return text
}
