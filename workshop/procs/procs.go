//go:build linux

// Package procs reads from /proc what processes there are, and what their namespaces are.
package procs

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A Process is what /proc/PID/stat says, to any user, of a process.
type Process struct {
	PID, Parent int    // as the PID namespace of /proc numbers them
	Command     string // proc_pid_comm(5)
	Terminal    bool   // it has a controlling terminal
	Zombie      bool   // it has ended, and its parent has not waited for it yet
	Ending      bool   // it will never run a program again: a zombie, or about to be one
	Kernel      bool   // it is a thread of the kernel
	Start       uint64 // when it was started, in clock ticks after boot
}

// All is processes by their PIDs. They are read one after the other, so that a parent
// may not be there, or be a process that has got its PID meanwhile.
type All map[int]Process

var step = regexp.MustCompile(`^step[0-9]+-`)

// IsStep reports whether it is the parent of a step, by its name.
func (p Process) IsStep() bool { return step.MatchString(p.Command) }

// ByStep reports whether a step started the process, at whatever distance.
func (all All) ByStep(pid int) bool {
	_, ok := all.Step(pid)
	return ok
}

// Step returns the nearest step that started the process, at whatever distance.
func (all All) Step(pid int) (step Process, ok bool) {
	for range all {
		parent, ok := all[all[pid].Parent]
		if !ok || parent.IsStep() {
			return parent, ok
		}
		pid = parent.PID
	}
	return Process{}, false
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
func (all All) Newest(wanted func(Process) bool) (pid int) {
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
		return 0, fmt.Errorf("%q is no PID", arg)
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
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, 0, err
	}
	all = All{}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if p, ok := Stat(pid); ok {
				all[pid] = p
			}
		}
	}
	return all, self, nil
}

// Stat returns a process, unless it has ended.
func Stat(pid int) (p Process, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, false
	}
	return parse(string(stat))
}

// parse reads "PID (command) state PPID pgrp session tty tpgid flags ...", with the start
// at the 22nd place. The command may hold anything, parentheses too: proc_pid_stat(5).
func parse(stat string) (p Process, ok bool) {
	pid, rest, found := strings.Cut(stat, " (")
	end := strings.LastIndex(rest, ") ")
	if !found || end < 0 {
		return p, false
	}
	fields := strings.Fields(rest[end+2:])
	if len(fields) < 20 {
		return p, false
	}
	// Of the kernel's sched.h: ps(1) relies on PF_KTHREAD too. PID 1 of a namespace is
	// PF_EXITING, and no zombie yet, until all processes in there have ended.
	const kernelThread, exiting = 0x00200000, 0x00000004
	var errs [5]error
	var tty int
	var flags uint64
	p.Command = rest[:end]
	p.PID, errs[0] = strconv.Atoi(pid)
	p.Parent, errs[1] = strconv.Atoi(fields[1])
	tty, errs[2] = strconv.Atoi(fields[4])
	flags, errs[3] = strconv.ParseUint(fields[6], 10, 64)
	p.Start, errs[4] = strconv.ParseUint(fields[19], 10, 64)
	p.Terminal, p.Kernel = tty != 0, flags&kernelThread != 0
	p.Zombie = strings.Contains("ZX", fields[0])
	p.Ending = p.Zombie || flags&exiting != 0
	return p, errs == [5]error{}
}
