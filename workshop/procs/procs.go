//go:build linux

// Package procs reads the list of processes from /proc.
package procs

import (
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
}

// All is processes by their PIDs. They are read one after the other, so that a parent
// may not be there, or be a process that has got its PID meanwhile.
type All map[int]Process

var step = regexp.MustCompile(`^step[0-9]+-`)

// IsStep reports whether it is the parent of a step, by its name.
func (p Process) IsStep() bool { return step.MatchString(p.Command) }

// ByStep reports whether a step started the process, at whatever distance.
func (all All) ByStep(pid int) bool {
	for range all {
		parent, ok := all[all[pid].Parent]
		if !ok || parent.IsStep() {
			return ok
		}
		pid = parent.PID
	}
	return false
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
		if strings.Trim(entry.Name(), "0123456789") != "" {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if p, ok := parse(string(stat)); ok {
			all[p.PID] = p
		}
	}
	return all, self, nil
}

// parse reads "PID (command) state PPID pgrp session tty ...". The command may hold
// anything, parentheses too: proc_pid_stat(5).
func parse(stat string) (p Process, ok bool) {
	pid, rest, found := strings.Cut(stat, " (")
	end := strings.LastIndex(rest, ") ")
	if !found || end < 0 {
		return p, false
	}
	fields := strings.Fields(rest[end+2:])
	if len(fields) < 5 {
		return p, false
	}
	var errs [3]error
	var tty int
	p.Command = rest[:end]
	p.PID, errs[0] = strconv.Atoi(pid)
	p.Parent, errs[1] = strconv.Atoi(fields[1])
	tty, errs[2] = strconv.Atoi(fields[4])
	p.Terminal = tty != 0
	return p, errs == [3]error{}
}
