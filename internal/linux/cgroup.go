//go:build linux

package linux

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Cgroup is a cgroup that a process is in (see cgroups(7)). Version 2 has one tree of
// cgroups. Version 1 has a tree for each controller or for several.
type Cgroup struct {
	Dir     string
	Path    string // in this process's CGROUP namespace
	Version int
}

// CgroupOf returns the cgroup of a process, "self" or a PID, in the tree that has a
// controller, for example "memory". The error is ENOENT if no version 1 has the
// controller and the tree of version 2 isn't mounted.
func CgroupOf(process, controller string) (c Cgroup, err error) {
	cgroups, err := ReadFile("/proc/" + process + "/cgroup")
	if err != nil {
		return c, err
	}
	mounts, err := ReadFile("/proc/self/mountinfo")
	if err != nil {
		return c, err
	}
	path, version := ParseCgroup(string(cgroups), controller)
	for _, mount := range ParseMounts(string(mounts)) {
		if !mount.hasCgroups(version, controller) {
			continue
		}
		for _, dir := range cgroupDirs(mount, path) {
			_, err := os.Stat(dir + "/cgroup.procs") // another mount may hide this one
			if err == nil && (!mount.above() || inCgroup(dir, os.Getpid())) {
				return Cgroup{dir, path, version}, nil
			}
		}
	}
	return c, Failed("find cgroup of", controller, unix.ENOENT)
}

// ParseCgroup returns the path and the version of the cgroup with a controller, from
// lines such as "4:memory:/user" of version 1 and "0::/user" of version 2. Version 0
// means none.
func ParseCgroup(cgroups, controller string) (path string, version int) {
	for line := range strings.Lines(cgroups) {
		field := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(field) < 3:
		case slices.Contains(strings.Split(field[1], ","), controller):
			return field[2], 1
		case field[0] == "0":
			path, version = field[2], 2
		}
	}
	return path, version
}

func (m Mount) hasCgroups(version int, controller string) bool {
	return version == 2 && m.Type == "cgroup2" || version == 1 && m.Type == "cgroup" &&
		slices.Contains(strings.Split(m.Options, ","), controller)
}

// above reports whether a mount begins above the root of this process's CGROUP namespace:
// then its root is "/..", or "/../.." and so on (see cgroup_namespaces(7)).
func (m Mount) above() bool { return strings.HasPrefix(m.Root, "/..") }

// cgroupDirs returns the directories below a mount that may be the cgroup with that path.
// A mount that begins above the root doesn't tell the names on the way.
func cgroupDirs(mount Mount, path string) []string {
	switch levels := strings.Count(mount.Root, "/.."); {
	case strings.HasPrefix(path, "/.."): // outside of the CGROUP namespace
		return nil
	case mount.above() && mount.Root != strings.Repeat("/..", levels):
		return nil // another branch of the tree
	case mount.above():
		dirs, _ := filepath.Glob(filepath.Join(mount.Point, strings.Repeat("/*", levels), path))
		return dirs
	}
	below, err := filepath.Rel(mount.Root, path)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return nil
	}
	return []string{filepath.Join(mount.Point, below)}
}

// inCgroup reports whether a process is in a cgroup itself, and not in one below.
func inCgroup(dir string, pid int) bool {
	return slices.Contains(cgroupProcesses(dir), pid)
}

// cgroupProcesses returns the PIDs of the processes in a cgroup, if they have a number in
// this PID namespace. Version 1 leaves out the others. Version 2 shows them as 0, and a
// signal to 0 goes to the sender's own process group (kill(2)).
func cgroupProcesses(dir string) (pids []int) {
	text, _ := os.ReadFile(dir + "/cgroup.procs")
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}
