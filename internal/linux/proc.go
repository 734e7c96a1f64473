//go:build linux

package linux

import (
	"os"
	"strconv"
	"strings"
)

// A Process is what /proc/PID/stat says of a process, to any user.
type Process struct {
	PID, Parent int    // as the PID namespace of /proc numbers them
	Command     string // proc_pid_comm(5)
	Terminal    bool   // it has a controlling terminal
	Zombie      bool   // it has ended, and its parent has not waited for it yet
	Ending      bool   // it will never run a program again: a zombie, or about to be one
	Kernel      bool   // it is a thread of the kernel
	Start       uint64 // when it was started, in clock ticks after boot
}

// Stat returns a process, unless it has ended.
func Stat(pid int) (p Process, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, false
	}
	return parseStat(string(stat))
}

// Processes returns all processes, by their PIDs. They are read one after the other, so
// a parent may be missing, or be another process that has got its PID meanwhile.
func Processes() (all map[int]Process, err error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	all = map[int]Process{}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, ok := Stat(pid); ok {
				all[pid] = p
			}
		}
	}
	return all, err
}

// parseStat reads "PID (command) state PPID pgrp session tty tpgid flags ...", with the
// start at the 22nd place. The command may hold anything, parentheses too (see
// proc_pid_stat(5)).
func parseStat(stat string) (p Process, ok bool) {
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
	p.Zombie = fields[0] == "Z" || fields[0] == "X"
	p.Ending = p.Zombie || flags&exiting != 0
	return p, errs == [5]error{}
}

// Field returns the value of a line "name value" of a file in /proc, for example that of
// "NSpid:" in /proc/PID/status, or "" if there is no such line.
func Field(file []byte, name string) string {
	for line := range strings.Lines(string(file)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Mask returns the value of a field of hexadecimal digits, 0 if there is no such line.
// Signal n is bit n-1 of "SigCgt:", a capability n is bit n of "CapEff:" (see
// proc_pid_status(5)).
func Mask(file []byte, name string) uint64 {
	mask, _ := strconv.ParseUint(Field(file, name), 16, 64)
	return mask
}
