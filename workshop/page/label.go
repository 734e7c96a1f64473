package page

import (
	"errors"
	"slices"
	"strings"
)

// Label returns a page with the label that each block needs: it writes those that are
// missing, and corrects the others. It leaves all other errors of the page to Parse.
func Label(file string, text []byte) []byte {
	for {
		_, err := Parse(file, text)
		var wrong *labelError
		if !errors.As(err, &wrong) {
			return text
		}
		lines := strings.Split(string(text), "\n")
		fence := wrong.step.At - 2 // counted from 0
		indent, _, _ := strings.Cut(lines[fence], "`")
		if wrong.step.label == "" {
			if before := lines[fence-1]; before != "" && !strings.HasSuffix(before, "-->") {
				lines = slices.Insert(lines, fence, "") // the label is a paragraph
				fence++
			}
			lines = slices.Insert(lines, fence, indent+wrong.want)
		} else {
			for !strings.Contains(lines[fence], wrong.step.label) {
				fence--
			}
			lines[fence] = indent + wrong.want
		}
		text = []byte(strings.Join(lines, "\n"))
	}
}
