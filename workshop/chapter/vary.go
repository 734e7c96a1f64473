package chapter

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Patterns match what may differ from run to run, and nothing else does.
var Patterns = map[string]string{
	// A number but 0 and 1: who is PID 1, and who has no parent, is no matter of chance.
	"pid":   `\b(?:[2-9]|[1-9][0-9]{1,6})\b`,
	"inode": `\b[1-9][0-9]{7,19}\b`, // of a namespace (namespaces(7))
	"date": `\b[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?` +
		`|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ?[0-9 ][0-9](?: +[0-9]{2}:[0-9]{2}| +[0-9]{4})?\b` +
		`|\b[0-9]{2}:[0-9]{2}(?::[0-9]{2})?\b`,
	"size": `\b[0-9]+(?:\.[0-9]+)?[KMGT]?\b`,
	"tty":  `\b(?:pts/[0-9]+|tty[0-9]+)\b`,
	"key":  `\b0x[0-9a-f]{8}\b`, // of a System V queue (ftok(3))
}

// order is that in which patterns are tried: the narrow ones first.
var order = []string{"date", "tty", "key", "inode", "pid", "size"}

// varying matches what differs by one of these kinds, each a group with its name. Before
// them it matches the number of a job, which isn't a PID.
func varying(vary []string) *regexp.Regexp {
	expression := `\[[0-9]{1,2}\]`
	for _, kind := range order {
		if slices.Contains(vary, kind) {
			expression += "|(?P<" + kind + ">" + Patterns[kind] + ")"
		}
	}
	return regexp.MustCompile(expression)
}

func kinds() []string { return slices.Sorted(maps.Keys(Patterns)) }

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
		return udiff.Unified("page", "run", want, got)
	}
	if c.seen == nil {
		c.seen = map[value]string{}
	}
	here := map[value]string{} // of the run, with the page's
	for i, v := range shown {
		if v.kind != "pid" && v.kind != "inode" {
			continue
		}
		is := printed[i]
		if before, ok := c.seen[v]; ok && before != is.text {
			return fmt.Sprintf("%s %s of the page is %s in the run, and was %s before\n", v.kind, v.text, is.text, before)
		}
		if other, ok := here[is]; ok && other != v.text {
			return fmt.Sprintf("%s %s and %s of the page are both %s in the run\n", v.kind, other, v.text, is.text)
		}
		here[is], c.seen[v] = v.text, is.text
	}
	return ""
}

// normal returns a text with the name of the kind in the place of what varies, and what
// stood there. Words are separated by one space and lines begin with a word, because the
// widths of columns differ between versions of programs. Empty lines at the end don't count.
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
