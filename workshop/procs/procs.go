//go:build linux

// Package procs relates processes to each other and to steps.
package procs

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"os"
	"strconv"

	"nsteps"
	"nsteps/internal/linux"
)

// All is processes by their PIDs (see linux.Processes).
type All map[int]linux.Process

// IsStep reports whether a process is a step. A step without a number has a name that
// other programs have too, for example join(1): so there its executable has to be built
// from the step's sources. A process that may not be looked at is none.
func IsStep(p linux.Process) bool {
	if !nsteps.Is(p.Command) {
		return false
	}
	step, err := nsteps.Find(p.Command)
	if err != nil || step.Number > 0 { // its name is longer than a process's
		return true
	}
	info, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", p.PID))
	return err == nil && info.Path == "nsteps/"+step.Dir
}

// ByStep reports whether a step started the process, at whatever distance.
func (all All) ByStep(pid int) bool {
	_, ok := all.Step(pid)
	return ok
}

// Step returns the nearest step that started the process, at whatever distance.
func (all All) Step(pid int) (step linux.Process, ok bool) {
	for range all {
		parent, ok := all[all[pid].Parent]
		if !ok || IsStep(parent) {
			return parent, ok
		}
		pid = parent.PID
	}
	return linux.Process{}, false
}

// Below reports whether a process was started by another one, at whatever distance.
func (all All) Below(pid, ancestor int) bool {
	for range all {
		p, ok := all[pid]
		if !ok || p.Parent == ancestor {
			return ok
		}
		pid = p.Parent
	}
	return false
}

// Newest returns the PID of the process that was started last of those wanted, 0 if there
// is none.
func (all All) Newest(wanted func(linux.Process) bool) (pid int) {
	for _, p := range all {
		newer := cmp.Or(cmp.Compare(p.Start, all[pid].Start), cmp.Compare(p.PID, pid)) > 0
		if wanted(p) && (pid == 0 || newer) {
			pid = p.PID
		}
	}
	return pid
}

// ParsePID reads a PID of a command line.
func ParsePID(arg string) (int, error) {
	pid, err := strconv.Atoi(arg)
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("%q is not a PID", arg)
	}
	return pid, nil
}

// Read returns all processes, and the PID of this one in /proc. That isn't getpid(2) if
// /proc is of another PID namespace, as after step1-pid -p.
func Read() (all All, self int, err error) {
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return nil, 0, err
	}
	if self, err = strconv.Atoi(link); err != nil {
		return nil, 0, fmt.Errorf("/proc/self: %w", err)
	}
	all, err = linux.Processes()
	return all, self, err
}
