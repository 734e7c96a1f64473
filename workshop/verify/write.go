//go:build linux

package verify

import (
	"cmp"
	"fmt"
	"strings"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
)

// A report is what a person gets to read.
type report struct {
	*goal
	facts   *facts
	verdict verdict
	me      advice.Person
	strong  bool // the stronger hint
	asked   bool // for this very process
}

const (
	narrow = 40 // columns; with fewer, the text of a label goes below it
	label  = 10 // columns of "hostname: "
)

var (
	marks = map[string]string{met: "✓", unmet: "✗", unknown: "?"}
	hues  = map[string]*output.Colour{
		met: output.Green, unmet: output.Red, unknown: output.Yellow,
	}
	verdicts = map[string]string{met: "met", unmet: "not yet", unknown: "unknown"}
)

// text returns the report in so many columns. Commands are never broken: they can be
// copied.
func (r *report) text(columns int) string {
	var b strings.Builder
	headline := output.Fill(r.facts.headline(), columns)
	b.WriteString(output.Bold.Sprint(headline) + "\n")
	for _, fact := range r.facts.lines() {
		name, text := fact[0]+":", cmdline.Printable(fact[1])
		if columns < narrow {
			fmt.Fprintf(&b, "  %s\n%s\n", name, output.Indent("    ", text, columns))
			continue
		}
		fmt.Fprintf(&b, "  %-*s%s\n", label, name,
			output.Indent(strings.Repeat(" ", 2+label), text, columns)[2+label:])
	}
	end := verdicts[r.verdict.Result]
	title := fmt.Sprintf("goal of chapter %s, %s: %s", r.label(), r.title, end)
	title = output.Fill(title, columns)
	if start, ok := strings.CutSuffix(title, end); ok { // it isn't broken
		title = start + hues[r.verdict.Result].Sprint(end)
	}
	b.WriteString(title + "\n")
	for _, c := range r.verdict.Checks {
		fmt.Fprintf(&b, "  %s %s\n", hues[c.Result].Sprint(marks[c.Result]),
			output.Indent("    ", cmdline.Printable(c.Text), columns)[4:])
	}
	switch r.verdict.Result {
	case unmet:
		hint := output.Indent("    ", "hint: "+r.verdict.hint, columns)
		fmt.Fprintf(&b, "  %s\n", hint[4:])
		where, then := "more", line(r.me, r.again(), nil)
		if r.strong {
			where = "type " + r.verdict.then.where()
			then = line(r.me, r.verdict.then, r.facts)
		}
		fmt.Fprintf(&b, "  %s: %s\n", where, output.Bold.Sprint(then))
	case unknown:
		if text := elevate(r.me, r.goal, r.facts.PID); text != "" {
			b.WriteString("  " + text + "\n")
		}
	}
	return b.String()
}

// again is the command that asks for the stronger hint.
func (r *report) again() command {
	args := "verify -H " + r.label()
	if r.asked {
		args += fmt.Sprintf(" %d", r.facts.PID)
	}
	return command{"workshop", args}
}

// where says in which terminal a command is typed, in the words of the chapters.
func (c command) where() string {
	switch c.program {
	case "":
		return "in terminal 2, inside"
	case "workshop":
		return "in terminal 1"
	}
	return "in terminal 2, at " + page.HostPrompt
}

func (f *facts) headline() string {
	line := fmt.Sprintf("process %d, %s, ", f.PID, cmdline.Printable(f.Command))
	if f.Step == nil {
		return line + "started by no step"
	}
	step := cmdline.Printable(f.Step.Name)
	return line + fmt.Sprintf("started by %s (%d)", step, f.Step.PID)
}

const hosts = "the host's"

// lines are the facts, each with a name.
func (f *facts) lines() (lines [][2]string) {
	own, shared := f.kinds()
	add := func(name, fact, text string) {
		if err := f.Unknown[fact]; err != "" {
			text = strings.TrimPrefix(text+", "+err, ", ")
		}
		lines = append(lines, [2]string{name, text})
	}
	add("own", "", own)
	add("shared", "", shared)
	if f.own("pid") {
		add("inside", "others", f.describeInside())
	}
	root := f.Root
	if f.HostRoot {
		root += " (" + hosts + ")"
	}
	add("root", "root", root)
	add("/proc", "proc", map[string]string{
		procOwn:  "of its PID namespace",
		procHost: hosts, procOther: "of another PID namespace", procNone: "none",
	}[f.Proc])
	add("mounts", "mounts", f.describeMounts())
	add("hostname", "hostname", f.describeHostname())
	add("links", "links", f.describeLinks())
	queues := hosts
	if f.own("ipc") {
		queues = f.Queues.String()
	}
	add("queues", "queues", queues)
	return lines
}

// kinds lists the namespaces of its own, with their inodes, and those that it shares.
func (f *facts) kinds() (own, shared string) {
	for _, kind := range linux.Kinds {
		switch ns, ok := f.Namespaces[kind.File]; {
		case ok && ns.Own:
			own += fmt.Sprintf(" %s:[%d]", kind.File, ns.Inode)
		case ok:
			shared += " " + kind.File
		}
	}
	return cmp.Or(strings.TrimSpace(own), "none"),
		cmp.Or(strings.TrimSpace(shared), "none")
}

func (f *facts) describeInside() string {
	text := fmt.Sprintf("PID %d", f.Inside)
	switch {
	case f.Others > 0:
		text += ", with " + output.Count(f.Others, "other", "others")
	case f.Unknown["others"] == "":
		text += ", alone"
	}
	return text
}

func (f *facts) describeMounts() string {
	m := f.Mounts
	switch {
	case m == nil && f.own("mnt"):
		return ""
	case m == nil:
		return hosts
	}
	var own []string
	for _, o := range m.Own {
		own = append(own, o.Point+" ("+o.Type+")")
	}
	text := fmt.Sprintf("%d, its own are %s", m.Count,
		cmp.Or(output.List(own, " "), "none"))
	if len(m.Shared) > 0 {
		text += ", in a peer group with the host's are " + output.List(m.Shared, " ")
	}
	return text
}

func (f *facts) describeHostname() string {
	switch {
	case f.Unknown["hostname"] != "":
		return ""
	case !f.own("uts"):
		return f.Hostname + " (" + hosts + ")"
	case f.HostName != f.Hostname:
		return f.Hostname + " (the host's is " + f.HostName + ")"
	}
	return f.Hostname
}

func (f *facts) describeLinks() string {
	switch {
	case !f.own("net"):
		return hosts
	case f.Links == nil:
		return ""
	}
	var links []string
	for _, l := range f.Links {
		links = append(links, l.Name+map[bool]string{true: " up", false: " down"}[l.Up])
	}
	return cmp.Or(strings.Join(links, ", "), "none")
}

func (q *queues) String() string {
	var kinds []string
	switch {
	case q == nil:
		return ""
	case q.SystemV > 0:
		kinds = append(kinds, fmt.Sprintf("%d of System V", q.SystemV))
	}
	if len(q.POSIX) > 0 {
		kinds = append(kinds, "POSIX "+output.List(q.POSIX, " "))
	}
	return cmp.Or(strings.Join(kinds, ", "), "none")
}

func (r *report) json() string {
	type typed struct {
		Where string `json:"where"`
		Line  string `json:"line"`
	}
	out := struct {
		Step string `json:"step"`
		verdict
		Hint    string `json:"hint,omitempty"`
		Command *typed `json:"command,omitempty"` // with --hint
		Process *facts `json:"process"`
	}{r.step, r.verdict, r.verdict.hint, nil, r.facts}
	if r.strong && r.verdict.hint != "" {
		out.Command = &typed{r.verdict.then.where(), line(r.me, r.verdict.then, r.facts)}
	}
	text, err := output.JSON(out)
	if err != nil {
		panic(err) // numbers and strings can be marshalled
	}
	return text
}
