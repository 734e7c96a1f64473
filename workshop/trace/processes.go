//go:build linux

package trace

import (
	"fmt"
	"io"
	"maps"
	pathpkg "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A process is one of those that are traced. Its threads count as the process.
type process struct {
	pid    int
	name   string // of its program
	parent *process
	depth  int
	// birth is the line on the call that made it, as long as that isn't shown.
	birth string
	shown bool   // a line was about it
	last  string // line that was shown
	// elsewhere says that its children go into another PID or TIME namespace than its own.
	elsewhere bool
}

// A tracker writes a line for each call that is shown. It knows which process made which.
type tracker struct {
	out       io.Writer
	err       error // of the first write that failed
	processes map[int]*process
	threads   map[int]*process
	early     map[int][]call // of processes whose parents' call has not ended
	first     *process
	refused   string // the result of the first execve(2), if it failed
}

func newTracker(out io.Writer) *tracker {
	return &tracker{
		out: out, processes: map[int]*process{}, threads: map[int]*process{},
		early: map[int][]call{},
	}
}

// add takes the next call.
func (t *tracker) add(c call) {
	p := t.processes[c.pid]
	if p == nil {
		p = t.threads[c.pid]
	}
	switch {
	case p == nil && t.first == nil:
		p = &process{pid: c.pid}
		t.first, t.processes[c.pid] = p, p
		if c.failed() {
			t.refused = c.result
		}
	case p == nil:
		t.early[c.pid] = append(t.early[c.pid], c)
		return
	}
	switch c.name {
	case "clone", "clone3", "fork", "vfork":
		t.cloned(p, c)
	case "execve":
		t.executed(p, c)
	default:
		t.called(p, c)
	}
}

var (
	program    = regexp.MustCompile(`^\["((?:[^"\\]|\\.)*)"`)
	number     = regexp.MustCompile(`^\d+`)
	translated = regexp.MustCompile(`/\* (\d+) in strace's PID NS \*/`)
)

// cloned adds a thread or a process. The line on a process without a new namespace waits
// until the process does something to show, because a shell makes many.
func (t *tracker) cloned(p *process, c call) {
	all := strings.Join(c.args, " ")
	text := strings.TrimSpace(c.name + " " +
		strings.Join(newSpace.FindAllString(all, -1), "|"))
	here := p.elsewhere || newSpace.MatchString(all)
	if c.failed() {
		if here {
			t.show(p, text+failure(c.result))
		}
		return
	}
	pid, _ := strconv.Atoi(number.FindString(c.result))
	if m := translated.FindStringSubmatch(c.result); m != nil {
		pid, _ = strconv.Atoi(m[1])
	}
	delete(t.threads, pid)
	if strings.Contains(all, "CLONE_THREAD") {
		t.threads[pid] = p
	} else {
		child := &process{pid: pid, name: p.name, parent: p, depth: p.depth + 1}
		child.birth = p.line(fmt.Sprint(text, " = ", pid))
		t.processes[pid] = child
		if here {
			t.introduce(child)
		}
	}
	t.replay(pid)
}

// replay adds the calls that a new process or thread has made already.
func (t *tracker) replay(pid int) {
	calls := t.early[pid]
	delete(t.early, pid)
	for _, c := range calls {
		t.add(c)
	}
}

// executed gives a process the name of its new program. The line on that is for those
// processes only that have been shown, because a shell executes many.
func (t *tracker) executed(p *process, c call) {
	if c.failed() || len(c.args) < 2 { // a program may be tried in each directory of PATH
		return
	}
	if p.shown {
		t.show(p, "execve "+word(c.args[0]))
	}
	p.name = word(c.args[0])
	if m := program.FindStringSubmatch(c.args[1]); m != nil {
		p.name = m[1]
	}
	p.name = pathpkg.Base(p.name)
}

func (t *tracker) called(p *process, c call) {
	text := describe(c)
	// A Go program asks for itself, to see whether the kernel has this call.
	probing := c.name == "prctl" || c.name == "seccomp"
	ofItself := c.name == "pidfd_open" && c.args[0] == strconv.Itoa(p.pid)
	if text == "" || ofItself || probing && text == p.last {
		return
	}
	t.show(p, text)
	entered := c.name == "unshare" || c.name == "setns"
	if entered && !c.failed() && forChildren.MatchString(strings.Join(c.args, " ")) {
		p.elsewhere = true
	}
}

// forChildren are the namespaces that unshare(2) and setns(2) change for the children.
var forChildren = regexp.MustCompile(`CLONE_NEW(?:PID|TIME)|<(?:pid|time):\[`)

// ended forgets a process: its number may be given to another one.
func (t *tracker) ended(pid int) {
	if t.first == nil || pid != t.first.pid {
		delete(t.processes, pid)
	}
	delete(t.threads, pid)
}

// finish shows the calls of processes whose parent is unknown, because the parent was
// killed meanwhile.
func (t *tracker) finish() {
	for _, pid := range slices.Sorted(maps.Keys(t.early)) {
		t.processes[pid] = &process{pid: pid, name: "?", parent: t.first, depth: 1}
		t.replay(pid)
	}
}

// introduce shows the call that made a process.
func (t *tracker) introduce(p *process) {
	if p.birth != "" {
		line := p.birth
		p.birth = ""
		t.introduce(p.parent)
		t.write(line)
	}
	p.shown = true
}

func (t *tracker) show(p *process, text string) {
	t.introduce(p)
	t.write(p.line(text))
	p.last = text
}

func (t *tracker) write(line string) {
	if t.err == nil {
		_, t.err = io.WriteString(t.out, line)
	}
}

// line returns a line on a process. Each generation is indented further.
func (p *process) line(text string) string {
	who := fmt.Sprintf("%*s%s[%d]", 2*p.depth, "", p.name, p.pid)
	return fmt.Sprintf("%-26s %s\n", who, text)
}
