// Picture draws a terminal window with what was printed in it, as SVG.
//
// Usage:
//
//	picture title <recording >file.svg
//
// docs/picture.sh makes the recording. The escape sequences in it are those for bold,
// green and yellow (ECMA-48 8.3.117), which are drawn, and no others.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Lengths are in pixels.
const (
	margin  = 22.0
	bar     = 36.0 // height of the title bar
	column  = 8.4  // width of a character
	leading = 20.0 // height of a line
	empty   = 12.0 // height of an empty line
	descent = 6.0  // part of a line's height below the characters' feet
)

// The window has a dark background of its own: it suits a light page and a dark one.
const style = `
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  "Liberation Mono", monospace; white-space: pre; fill: #c3ccd6 }
.title { fill: #93a0ae }
.bold { fill: #ffffff; font-weight: bold }
.green { fill: #7ee787; font-weight: bold }
.yellow { fill: #ffc559; font-weight: bold }
`

type svg struct {
	XMLName struct{} `xml:"http://www.w3.org/2000/svg svg"`
	Width   float64  `xml:"width,attr"`
	Height  float64  `xml:"height,attr"`
	ViewBox string   `xml:"viewBox,attr"`
	Role    string   `xml:"role,attr"`
	Title   string   `xml:"title"`
	Style   cdata    `xml:"style"`
	Window  rect     `xml:"rect"`
	Buttons []circle `xml:"circle"`
	Texts   []text   `xml:"text"`
}

type cdata struct {
	Text string `xml:",cdata"`
}

type rect struct {
	X      float64 `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Radius float64 `xml:"rx,attr"`
	Fill   string  `xml:"fill,attr"`
	Stroke string  `xml:"stroke,attr"`
}

type circle struct {
	X      float64 `xml:"cx,attr"`
	Y      float64 `xml:"cy,attr"`
	Radius float64 `xml:"r,attr"`
	Fill   string  `xml:"fill,attr"`
}

// A text has a fixed length, so that columns stand in line whatever font is there.
type text struct {
	Class  string  `xml:"class,attr,omitempty"`
	X      fixed   `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Length fixed   `xml:"textLength,attr"`
	Space  string  `xml:"xml:space,attr"` // white-space: pre for older viewers
	Text   string  `xml:",chardata"`
}

// A fixed is a length with one decimal.
type fixed float64

// MarshalText implements encoding.TextMarshaler.
func (f fixed) MarshalText() ([]byte, error) { //nolint:unparam // the interface's
	return fmt.Appendf(nil, "%.1f", float64(f)), nil
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("picture: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: picture title <text >file.svg")
	}
	if err := draw(os.Stdout, os.Stdin, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// classes are the colours of a recording, by their escape sequences.
var classes = map[string]string{"1": "bold", "32;1": "green", "33;1": "yellow"}

var escape = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// A cell is a character with its class.
type cell struct {
	char  rune
	class string
}

func draw(w io.Writer, r io.Reader, title string) error {
	var texts []text
	y, columns, class := bar+empty, 0, ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line []cell
		line, class = cells(strings.TrimSuffix(lines.Text(), "\r"), class)
		if len(line) == 0 {
			y += empty
			continue
		}
		y += leading
		columns = max(columns, len(line))
		texts = append(texts, words(line, y-descent)...)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return write(w, title, texts, columns, y+margin)
}

// cells returns the characters of a line that begins in a class, and the class at its
// end.
func cells(line, class string) ([]cell, string) {
	var all []cell
	for line != "" {
		here, rest, next := line, "", class
		if i := escape.FindStringSubmatchIndex(line); i != nil {
			here, rest, next = line[:i[0]], line[i[1]:], classes[line[i[2]:i[3]]]
		}
		for _, r := range here {
			all = append(all, cell{r, class})
		}
		line, class = rest, next
	}
	return all, class
}

// words returns a text for each part of a line that has one class, without the spaces
// around it.
func words(line []cell, y float64) (texts []text) {
	for from := 0; from < len(line); {
		class := line[from].class
		var part []rune
		to := from
		for to < len(line) && (line[to].class == class || line[to].char == ' ') {
			part = append(part, line[to].char)
			to++
		}
		trimmed := strings.TrimLeft(string(part), " ")
		start := from + len(string(part)) - len(trimmed)
		if trimmed = strings.TrimRight(trimmed, " "); trimmed != "" {
			texts = append(texts, place(class, trimmed, start, y))
		}
		from = to
	}
	return texts
}

// place returns a text that begins at a column.
func place(class, s string, start int, y float64) text {
	length := column * float64(utf8.RuneCountInString(s))
	x := margin + column*float64(start)
	return text{class, fixed(x), y, fixed(length), "preserve", s}
}

// write writes the window around the texts.
func write(w io.Writer, title string, texts []text, columns int, height float64) error {
	width := math.Ceil(2*margin + column*float64(columns))
	middle := (columns - utf8.RuneCountInString(title)) / 2
	texts = append(texts, place("title", title, middle, bar-descent-descent/2))
	picture := svg{
		Width: width, Height: height, ViewBox: fmt.Sprintf("0 0 %v %v", width, height),
		Role: "img", Title: title, Style: cdata{style}, Texts: texts,
		Window: rect{0.5, 0.5, width - 1, height - 1, 10, "#161b22", "#3d4652"},
	}
	for i, colour := range []string{"#ff6b61", "#f7bf4f", "#5bc95f"} {
		x := margin + 6 + 20*float64(i)
		picture.Buttons = append(picture.Buttons, circle{x, 21, 6, colour})
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", " ")
	if err := encoder.Encode(picture); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
