package session

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"nsteps/workshop/page"
)

// order is that in which patterns are tried: the narrow ones first.
var order = []string{"digest", "date", "link", "tty", "key", "inode", "pid", "size"}

// varying matches what differs by one of these kinds, each a group with its name. Before
// them it matches the number of a job, which isn't a PID.
func varying(vary []string) *regexp.Regexp {
	expression := `\[[0-9]{1,2}\]`
	for _, kind := range order {
		if slices.Contains(vary, kind) {
			expression += "|(?P<" + kind + ">" + page.Patterns[kind] + ")"
		}
	}
	return regexp.MustCompile(expression)
}

// A value is a text that a pattern matched.
type value struct{ kind, text string }

// A Comparer compares what a page shows with what a run printed. What stands for the
// same process or namespace on the page has to be the same in the run, throughout; and
// within an output what differs has to differ.
type Comparer struct {
	seen map[value]string // of the page, with the run's
}

// Compare returns "" if a run's output is what the page shows, but for what may vary;
// otherwise what differs.
func (c *Comparer) Compare(page, run string, vary []string) string {
	want, shown := normal(page, vary)
	got, printed := normal(run, vary)
	if want != got {
		text := diff.Diff("page", []byte(want), "run", []byte(got))
		_, text, _ = bytes.Cut(text, []byte("\n")) // without the line "diff page run"
		return string(text)
	}
	if c.seen == nil {
		c.seen = map[value]string{}
	}
	here := map[value]string{} // of the run, with the page's
	for i, v := range shown {
		if v.kind != "pid" && v.kind != "inode" && v.kind != "digest" {
			continue
		}
		is := printed[i]
		if before, ok := c.seen[v]; ok && before != is.text {
			return fmt.Sprintf("%s %s of the page is %s in the run, and was %s before\n",
				v.kind, v.text, is.text, before)
		}
		if other, ok := here[is]; ok && other != v.text {
			return fmt.Sprintf("%s %s and %s of the page are both %s in the run\n",
				v.kind, other, v.text, is.text)
		}
		here[is], c.seen[v] = v.text, is.text
	}
	return ""
}

// normal returns a text with the name of the kind in the place of what varies, and what
// stood there. Words are separated by one space and lines begin with a word, because the
// widths of columns differ between versions of programs. Empty lines at the end don't
// count.
func normal(text string, vary []string) (string, []value) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	text = strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"

	var values []value
	re := varying(vary)
	text = re.ReplaceAllStringFunc(text, func(word string) string {
		match := re.FindStringSubmatch(word)
		for i, kind := range re.SubexpNames() {
			if i > 0 && match != nil && match[i] == word {
				values = append(values, value{kind, word})
				return "<" + kind + ">"
			}
		}
		return word
	})
	return text, values
}
