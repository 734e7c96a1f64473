package nsteps

import (
	"fmt"
	"strconv"
	"strings"
)

// A Step is a program that teaches something, and has a chapter of its own.
type Step struct {
	Number  int    // of the step and its chapter; 0 if it has a name only
	Short   string // what it teaches, for example "net"
	Name    string // of the program, for example "step4-net"
	Dir     string // of its sources, for example "step4-net" or "beyond/step7-user"
	Base    string // name of the step that it adds something to, "" if there is none
	Chapter string // page in docs, without ".md"; the first if there are several
}

// Steps are all of them, in the order in which they are read. Whatever is said of each
// step is said by going through this list: a new step is a directory, a chapter and an
// entry here.
var Steps = []Step{
	{1, "pid", "step1-pid", "step1-pid", "", "1-pid"},
	{2, "mnt", "step2-mnt", "step2-mnt", "step1-pid", "2-mnt"},
	{3, "uts", "step3-uts", "step3-uts", "step2-mnt", "3-uts"},
	{4, "net", "step4-net", "step4-net", "step3-uts", "4-net"},
	{5, "ipc", "step5-ipc", "step5-ipc", "step4-net", "5-ipc"},
	{6, "chroot", "step6-chroot", "step6-chroot", "step5-ipc", "6-chroot"},
	{7, "user", "step7-user", "beyond/step7-user", "step4-net", "7-user"},
	{8, "pivot", "step8-pivot", "beyond/step8-pivot", "step2-mnt", "8-pivot"},
	{9, "dev", "step9-dev", "beyond/step9-dev", "step8-pivot", "9-dev"},
	{10, "overlay", "step10-overlay", "beyond/step10-overlay", "step8-pivot", "10-overlay"},
	{11, "veth", "step11-veth", "beyond/step11-veth", "step4-net", "11-veth"},
	{12, "cgroup", "step12-cgroup", "beyond/step12-cgroup", "step1-pid", "12-cgroup"},
	{13, "caps", "step13-caps", "beyond/step13-caps", "step2-mnt", "13-caps"},
	{14, "seccomp", "step14-seccomp", "beyond/step14-seccomp", "step1-pid", "14-seccomp"},
	{15, "time", "step15-time", "beyond/step15-time", "step1-pid", "15-time"},
	{0, "join", "join", "beyond/join", "step1-pid", "join"},
	{0, "container", "container", "beyond/container", "", "container"},
}

// Find returns a step by its number, short name or name: "4", "net" or "step4-net". Its
// error lists what there is.
func Find(word string) (Step, error) {
	var known []string
	for _, s := range Steps {
		if word == s.Label() || word == s.Short || word == s.Name {
			return s, nil
		}
		known = append(known, s.Label()+" ("+s.Short+")")
	}
	return Step{}, fmt.Errorf("no step %q; there are %s", word, strings.Join(known, ", "))
}

// Label is the shortest name of a step: "4", or the name of a step without a number.
func (s Step) Label() string {
	if s.Number == 0 {
		return s.Name
	}
	return strconv.Itoa(s.Number)
}

// Beyond reports whether a step isn't one of the six of the workshop.
func (s Step) Beyond() bool { return s.Number == 0 || s.Number > 6 }

// Source is the name of its main.go in Sources.
func (s Step) Source() string { return s.Dir + "/main.go" }

// Names returns the names of all steps.
func Names() (names []string) {
	for _, s := range Steps {
		names = append(names, s.Name)
	}
	return names
}

// Is reports whether a process is a step by its command. The kernel cuts that at 15
// bytes: proc_pid_comm(5).
func Is(comm string) bool {
	for _, s := range Steps {
		if comm == s.Name[:min(len(s.Name), 15)] {
			return true
		}
	}
	return false
}
