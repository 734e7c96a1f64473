//go:build linux

package trace

import (
	"regexp"
	"strconv"
	"strings"
)

// A call is a system call that has ended.
type call struct {
	pid    int // of the thread, as strace sees it
	name   string
	args   []string
	result string // "0", "5</etc/hosts>", "-1 EPERM (Operation not permitted)"
}

// failed reports whether the call has failed.
func (c call) failed() bool { return strings.HasPrefix(c.result, "-1 ") }

// A parser reads lines of "strace -f -o": the number of a thread and a call. Where
// another thread has interrupted a call, the line has only its first half, and a later
// line has the rest.
type parser struct{ unfinished map[int]string }

var (
	lineForm   = regexp.MustCompile(`^(\d+) +(.*)$`)
	firstHalf  = regexp.MustCompile(`^(.*?) ?<(?:unfinished|pid changed to \d+) \.\.\.>$`)
	secondHalf = regexp.MustCompile(`^<\.\.\. \w+ resumed>(.*)$`)
	wholeCall  = regexp.MustCompile(`^(\w+)\((.*)\) += (.+)$`)
	superseded = regexp.MustCompile(`^\+\+\+ superseded by execve in pid (\d+) \+\+\+$`)
)

// parse returns the call that ends with a line, or the thread that has ended. A line may
// be neither: a signal, or half a call.
func (p *parser) parse(line string) (c call, ended int) {
	m := lineForm.FindStringSubmatch(line)
	if m == nil {
		return call{}, 0
	}
	pid, err := strconv.Atoi(m[1])
	if err != nil {
		return call{}, 0
	}
	text := m[2]
	if half := firstHalf.FindStringSubmatch(text); half != nil {
		p.unfinished[pid] = half[1]
		return call{}, 0
	}
	if s := superseded.FindStringSubmatch(text); s != nil {
		// The thread that has called execve(2) takes the number of the process.
		thread, _ := strconv.Atoi(s[1])
		p.unfinished[pid] = p.unfinished[thread]
		delete(p.unfinished, thread)
		return call{}, 0
	}
	if strings.HasPrefix(text, "+++ ") { // "exited with 1", "killed by SIGTERM"
		delete(p.unfinished, pid)
		return call{}, pid
	}
	if half := secondHalf.FindStringSubmatch(text); half != nil {
		text = p.unfinished[pid] + half[1]
		delete(p.unfinished, pid)
	}
	if m = wholeCall.FindStringSubmatch(text); m == nil || m[3][0] == '?' {
		return call{}, 0 // a call without a result starts again, or its thread has ended
	}
	return call{pid: pid, name: m[1], args: split(m[2]), result: m[3]}, 0
}

// split returns the arguments of a call. A comma inside a string, a structure, an array
// or the path of a descriptor separates none.
func split(args string) (found []string) {
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(args); i++ {
		switch b := args[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte("({[", b) >= 0, b == '<' && !shifted(args, i):
			depth++
		case strings.IndexByte(")}]", b) >= 0, b == '>' && depth > 0:
			depth--
		case b == ',' && depth == 0:
			found = append(found, strings.TrimSpace(args[start:i]))
			start = i + 1
		}
	}
	return append(found, strings.TrimSpace(args[start:]))
}

// shifted reports whether the < at a place is part of 1<<CAP_CHOWN.
func shifted(args string, i int) bool {
	return i > 0 && args[i-1] == '<' || i+1 < len(args) && args[i+1] == '<'
}
