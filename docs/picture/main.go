// Picture draws a terminal window with a run in it, as SVG.
//
// Usage:
//
//	picture title <text >file.svg
//
// The text has no escape sequences. A line that begins with "host$ " or "step$ " is drawn
// as a command, and the lines from one that begins with "See: " to the next empty one
// as a remark.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"math"
	"os"
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
.say { fill: #93a0ae }
.see { fill: #79c0ff }
.host { fill: #7ee787; font-weight: bold }
.step { fill: #ffc559; font-weight: bold }
.command { fill: #ffffff; font-weight: bold }
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

func (f fixed) MarshalText() ([]byte, error) {
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

func draw(w io.Writer, r io.Reader, title string) error {
	var texts []text
	y, columns, remark := bar+empty, 80, false
	add := func(class string, at int, s string) {
		at += len(s) - len(strings.TrimLeft(s, " "))
		if s = strings.TrimSpace(s); s != "" {
			n := utf8.RuneCountInString(s)
			columns = max(columns, at+n)
			x, length := margin+column*float64(at), column*float64(n)
			texts = append(texts,
				text{class, fixed(x), y - descent, fixed(length), "preserve", s})
		}
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			remark = false
			y += empty
			continue
		}
		y += leading
		prompt, command, _ := strings.Cut(line, " ")
		remark = remark || prompt == "See:"
		switch {
		case remark:
			add("see", 0, line)
		case prompt == "host$" || prompt == "step$":
			add(strings.TrimSuffix(prompt, "$"), 0, prompt)
			add("command", len(prompt)+1, command)
		case prompt == "Parent:" || strings.HasPrefix(line, " Child:"):
			add("say", 0, line)
		default:
			add("", 0, line)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	width, height := math.Ceil(2*margin+column*float64(columns)), y+margin
	y = bar - descent/2
	add("title", (columns-utf8.RuneCountInString(title))/2, title)

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
