//go:build linux

// Package cgroup is what programs with the option --cgroup need of cgroups beside their
// lessons: where this machine has the file of a limit, the lock, and what is left at the
// end.
package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// A Group is the cgroup of a run. Version 2 has one directory for it. Version 1 has one
// in the tree of each controller.
type Group struct {
	program string
	name    string // of each directory
	dirs    []dir
}

type dir struct {
	path    string
	version int
	lock    *os.File
}

// lockLimit is how long Lock waits. A run that looks for leftovers has the lock for
// milliseconds, and any other process that can open the directory can keep it.
const lockLimit = time.Second

// New returns a group without a directory.
func New(program string) *Group {
	return &Group{
		program: program, name: linux.NewCgroupName(),
	}
}

// Lock locks the directory of a limit, so that no other run takes it for a leftover. The
// error is EAGAIN if there is no such directory, and EBUSY if another process keeps the
// lock.
func (g *Group) Lock(l Limit) error {
	for _, d := range g.dirs {
		if d.path == l.Dir {
			return nil
		}
	}
	lock, err := linux.LockDir(l.Dir)
	end := time.Now().Add(lockLimit)
	for errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
		lock, err = linux.LockDir(l.Dir)
	}
	switch {
	case err == nil:
		g.dirs = append(g.dirs, dir{l.Dir, l.version, lock})
	case errors.Is(err, unix.ENOENT):
		err = unix.EAGAIN
	case errors.Is(err, unix.EWOULDBLOCK): // which is EAGAIN
		_ = unix.Rmdir(l.Dir)
		err = unix.EBUSY
	}
	return err
}

// FD returns a descriptor of the directory of version 2, if there is one.
func (g *Group) FD() (fd int, ok bool) {
	for _, d := range g.dirs {
		if d.version == 2 {
			return int(d.lock.Fd()), true
		}
	}
	return 0, false
}

// Add moves a process into the directories of version 1, for which clone(2) has no flag.
func (g *Group) Add(pid int) error {
	for _, d := range g.dirs {
		if d.version == 1 {
			file := d.path + "/cgroup.procs"
			if err := linux.WriteCgroup(file, strconv.Itoa(pid)); err != nil {
				return common.Failed("move the child to", file, err)
			}
		}
	}
	return nil
}

// OOMKills returns how many processes the kernel has killed because the memory of the
// cgroup was used up.
func (g *Group) OOMKills() (n int) {
	for _, d := range g.dirs {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			text, _ := os.ReadFile(filepath.Join(d.path, file))
			kills, _ := strconv.Atoi(linux.Field(text, "oom_kill "))
			n += kills
		}
	}
	return n
}

// Remove ends the processes that are left in the group, and removes its directories.
func (g *Group) Remove() {
	for _, d := range g.dirs {
		if err := linux.RemoveCgroup(d.path); err != nil {
			cmdline.Report(os.Stderr, g.program, common.Failed("remove cgroup", d.path, err),
				"to try it again: workshop cleanup")
		}
		d.lock.Close()
	}
}
