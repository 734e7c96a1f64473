//go:build linux

package output

import "github.com/fatih/color"

// A Colour is how text is painted. Where stdout is no terminal, and where NO_COLOR is
// set, all are none.
type Colour = color.Color

// The colours of all commands.
var (
	Bold     = color.New(color.Bold)
	Faint    = color.New(color.Faint)
	Reversed = color.New(color.ReverseVideo)
	Red      = color.New(color.FgRed)
	Green    = color.New(color.FgGreen)
	Yellow   = color.New(color.FgYellow)
	Blue     = color.New(color.FgBlue)
	Magenta  = color.New(color.FgMagenta)
	Cyan     = color.New(color.FgCyan)

	OnGreen  = color.New(color.FgBlack, color.BgGreen)
	OnYellow = color.New(color.FgBlack, color.BgYellow)
)

// Paint paints a text in a colour that may be nil.
func Paint(c *Colour, text string) string {
	if c == nil {
		return text
	}
	return c.Sprint(text)
}
