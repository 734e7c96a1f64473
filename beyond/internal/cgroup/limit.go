//go:build linux

package cgroup

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/job"
	"nsteps/internal/linux"
)

// A Limit is a limit of this group, and the file that it is to be written to.
type Limit struct {
	Dir, File, Value string
	controller       string
	version          int
}

// Path returns the name of the file.
func (l Limit) Path() string { return filepath.Join(l.Dir, l.File) }

// Find returns where this machine has the limits of options such as memory.max=64M, in
// the names of the version of cgroups. It removes what killed runs have left there.
func (g *Group) Find(options []string) (limits []Limit, err error) {
	for _, option := range options {
		file, value, _ := strings.Cut(option, "=")
		controller, _, _ := strings.Cut(file, ".")
		own, err := linux.CgroupOf("self", controller)
		if err != nil {
			return nil, err
		}
		parent := parentFor(own)
		collect(parent)
		l := Limit{
			Dir: filepath.Join(parent, g.name), File: file, Value: value,
			controller: controller, version: own.Version,
		}
		limits = append(limits, l.inVersion()...)
	}
	// From now on, a signal that ends the run doesn't keep Remove from being called.
	job.CatchStops()
	return limits, nil
}

// parentFor returns the directory for a new cgroup of a process whose own cgroup it is
// given. In version 2, a cgroup with processes in it can't hand controllers down, except
// the topmost of the machine. So the new one is beside it (cgroups(7)), if the mount
// shows more than the process's own.
func parentFor(own linux.Cgroup) string {
	above := filepath.Dir(own.Dir)
	if own.Version == 2 && own.Path != "/" && isCgroup(above) {
		return above
	}
	return own.Dir
}

func isCgroup(dir string) bool {
	_, err := os.Stat(dir + "/cgroup.procs")
	return err == nil
}

// collect removes the cgroups that killed runs have left. What can't be removed stays.
func collect(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, entry := range entries {
		if !linux.IsCgroupOfRun(entry.Name()) {
			continue
		}
		path := filepath.Join(parent, entry.Name())
		if lock, err := linux.LockDir(path); err == nil {
			_ = linux.RemoveCgroup(path)
			lock.Close()
		}
	}
}

// inVersion returns a limit of version 2 in the names of the version that the machine
// has. A name that isn't here is the same in both, or is written as version 1 has it.
func (l Limit) inVersion() []Limit {
	with := func(file, value string) Limit { l.File, l.Value = file, value; return l }
	switch {
	case l.version == 2:
	case l.File == "memory.max":
		return []Limit{with("memory.limit_in_bytes", noMax(l.Value))}
	case l.File == "memory.swap.max" && l.Value == "0": // no swap: the same number in both
		return []Limit{with("memory.swappiness", l.Value)}
	case l.File == "cpu.max": // a time, and the period that it is for
		quota, period, _ := strings.Cut(l.Value, " ")
		if period == "" {
			return []Limit{with("cpu.cfs_quota_us", noMax(quota))}
		}
		return []Limit{
			with("cpu.cfs_period_us", period), with("cpu.cfs_quota_us", noMax(quota)),
		}
	}
	return []Limit{l}
}

// noMax returns the number of version 1 for no limit.
func noMax(value string) string {
	if value == "max" {
		return "-1"
	}
	return value
}

// Write writes a limit to its file.
func (l Limit) Write() error {
	if _, err := os.Stat(l.Path()); err != nil && l.version == 2 {
		if err := enable(filepath.Dir(l.Dir), l.controller); err != nil {
			return err
		}
	}
	if err := linux.WriteCgroup(l.Path(), l.Value); err != nil {
		return common.Failed("write limit", l.Path(), err)
	}
	return nil
}

// enable has all cgroups from the topmost down to dir hand a controller down. Those above
// may belong to another user, and do it already: the last one decides.
func enable(dir, controller string) error {
	if above := filepath.Dir(dir); isCgroup(above) {
		_ = enable(above, controller)
	}
	// The kernel itself would enable some controllers, and refuse the child later.
	err := error(unix.EBUSY)
	if !hasProcesses(dir) {
		err = linux.WriteCgroup(dir+"/cgroup.subtree_control", "+"+controller)
	}
	if err != nil {
		return common.Failed("enable controller in", dir, err)
	}
	return nil
}

// hasProcesses reports whether a cgroup has processes in it, and isn't the topmost of the
// machine, which alone may have them beside cgroups below.
func hasProcesses(dir string) bool {
	_, err := os.Stat(dir + "/cgroup.type")
	procs, _ := os.ReadFile(dir + "/cgroup.procs")
	return err == nil && len(procs) > 0
}
