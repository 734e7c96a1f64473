package chapter

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Patterns match what may differ from run to run, and nothing else does. Behind each
// are the words that stand at the head of such a column: they have to be the same, but
// not in the same place.
var Patterns = map[string]struct{ Value, Heads string }{
	// A number but 0 and 1: who is PID 1, and who has no parent, is no matter of chance.
	"pid":   {`\b(?:[2-9]|[1-9][0-9]{1,6})\b`, `PID|PPID|PGID|SID|LWP|TPGID`},
	"inode": {`\b[1-9][0-9]{7,19}\b`, `NS|INODE`}, // of a namespace, namespaces(7)
	"date": {`\b[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?` +
		`|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ?[0-9 ][0-9](?: +[0-9]{2}:[0-9]{2}| +[0-9]{4})?\b` +
		`|\b[0-9]{2}:[0-9]{2}(?::[0-9]{2})?\b`, `STIME|TIME|START`},
	"size": {`\b[0-9]+(?:\.[0-9]+)?[KMGT]?\b`, `SIZE|RSS|VSZ`},
	"tty":  {`\b(?:pts/[0-9]+|tty[0-9]+)\b`, `TTY|TT`},
	"key":  {`\b0x[0-9a-f]{8}\b`, `key`}, // of a System V queue, ftok(3)
}

// order is that in which patterns are tried: the narrow ones first.
var order = []string{"date", "tty", "key", "inode", "pid", "size"}

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

// normal returns a text with the name of the kind in the place of what varies, and
// with no padding around it or at the end of lines; and what stood there.
func normal(text string, vary []string) (string, []value) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var values []value
	if len(vary) > 0 {
		var alternatives []string
		names := []string{""}
		for _, kind := range order {
			if slices.Contains(vary, kind) {
				alternatives = append(alternatives, "("+Patterns[kind].Value+")")
				names = append(names, kind)
			}
		}
		heads := `\[[0-9]{1,2}\]` // the number of a job isn't a PID
		for _, kind := range vary {
			heads += `|\b(?:` + Patterns[kind].Heads + `)\b`
		}
		re := regexp.MustCompile(` *(?:` + heads + `|` + strings.Join(alternatives, "|") + `) *`)
		var b strings.Builder
		end := 0
		for _, at := range re.FindAllStringSubmatchIndex(text, -1) {
			b.WriteString(text[end:at[0]])
			match := text[at[0]:at[1]]
			word := strings.Trim(match, " ")
			if match[0] == ' ' && b.Len() > 0 && text[at[0]-1] != '\n' {
				b.WriteByte(' ')
			}
			for i := 1; i < len(names); i++ {
				if at[2*i] >= 0 {
					values = append(values, value{names[i], word})
					word = "<" + names[i] + ">"
				}
			}
			b.WriteString(word)
			if match[len(match)-1] == ' ' {
				b.WriteByte(' ')
			}
			end = at[1]
		}
		text = b.String() + text[end:]
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n", values
}
