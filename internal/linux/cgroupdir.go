//go:build linux

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// WriteCgroup writes to a file of a cgroup. It doesn't try to create the file, for which
// the kernel would answer EACCES and not ENOENT.
func WriteCgroup(file, text string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

const cgroupPrefix = "nsteps-run-"

// NewCgroupName returns a name for a cgroup of a run, for example nsteps-run-01234567.
func NewCgroupName() string { return fmt.Sprintf("%s%08x", cgroupPrefix, rand.Uint32()) }

// IsCgroupOfRun reports whether a cgroup has a name that NewCgroupName makes. If it isn't
// locked either, it is removed with its processes, so a cgroup that somebody else calls
// nsteps-demo or nsteps.service is none.
func IsCgroupOfRun(name string) bool {
	digits, ok := strings.CutPrefix(name, cgroupPrefix)
	return ok && len(digits) == 8 && strings.Trim(digits, "0123456789abcdef") == ""
}

// LeftCgroups returns all cgroups on this machine that have a name of this suite.
func LeftCgroups() (dirs []string) {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, mount := range ParseMounts(string(mounts)) {
		if mount.Type != "cgroup" && mount.Type != "cgroup2" {
			continue
		}
		_ = filepath.WalkDir(mount.Point, func(dir string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || !d.IsDir():
			case IsCgroupOfRun(d.Name()):
				dirs = append(dirs, dir)
				return fs.SkipDir // RemoveCgroup removes those below
			}
			return nil
		})
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// RemoveCgroup ends the processes in a cgroup and in those below, and removes them all.
// The error is EBUSY if that takes longer than two seconds, or if no process is seen that
// could be killed: then a process belongs to another PID namespace, or it is this one.
func RemoveCgroup(dir string) error {
	const limit, unseen = 2 * time.Second, 200 * time.Millisecond
	if unix.Rmdir(dir) == nil {
		return nil // as most often
	}
	start := time.Now()
	for last := start; ; time.Sleep(time.Millisecond) {
		err := removeTree(dir)
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return err
		case time.Since(start) > limit || time.Since(last) > unseen:
			return err
		case killCgroup(dir):
			last = time.Now()
		}
	}
}

// removeTree removes a directory and those below it, the deepest first.
func removeTree(dir string) (err error) {
	for _, name := range slices.Backward(cgroupTree(dir)) {
		err = unix.Rmdir(name)
	}
	return err
}

// cgroupTree returns a cgroup and those below it, each before those below it.
func cgroupTree(dir string) []string {
	dirs := []string{dir}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.IsDir() {
			dirs = append(dirs, cgroupTree(filepath.Join(dir, entry.Name()))...)
		}
	}
	return dirs
}

// killCgroup kills the processes in a cgroup and in those below, and reports whether
// there was any to kill.
func killCgroup(dir string) (found bool) {
	tree := cgroupTree(dir)
	isHere := func(dir string) bool { return inCgroup(dir, os.Getpid()) }
	if slices.ContainsFunc(tree, isHere) {
		return false
	}
	if WriteCgroup(dir+"/cgroup.kill", "1") == nil {
		return true // Linux 5.14, version 2
	}
	// Processes may fork while others are killed. These two stop that: a limit of the
	// controller pids, and freezing in version 2, which a SIGKILL ends.
	_ = WriteCgroup(dir+"/pids.max", "0")
	_ = WriteCgroup(dir+"/cgroup.freeze", "1")
	for _, dir := range tree {
		for _, pid := range cgroupProcesses(dir) {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				continue // it has ended
			}
			if inCgroup(dir, pid) { // or another process has got its number meanwhile
				_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
				found = true
			}
			unix.Close(fd)
		}
	}
	return found
}
