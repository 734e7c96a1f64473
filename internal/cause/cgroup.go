//go:build linux

package cause

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// cgroupRoot is where machines mount their cgroups.
const cgroupRoot = "/sys/fs/cgroup"

// outsideCgroup reports whether the root of this process's CGROUP namespace isn't above
// its cgroup (see cgroup_namespaces(7)).
func outsideCgroup(f *Facts, controller string) bool {
	path, _ := linux.ParseCgroup(f.cgroups, controller)
	return strings.HasPrefix(path, "/..")
}

// mountCgroup answers that a controller isn't mounted, with a directory for the mount.
func mountCgroup(f *Facts, controller string) Cause {
	kind, name := "cgroup2", "unified" // as systemd calls it, beside version 1
	if together := hierarchy(f.controllers, controller); together != "" {
		kind, name = "cgroup -o "+together, together
	}
	dir, missing := cgroupDir(name)
	command := f.Sudo() + "mount -t " + kind + " none " + cmdline.Quote(dir)
	if missing {
		command = f.Sudo() + "mkdir " + cmdline.Quote(dir) + "; " + command
	}
	return Cause{
		ID: "cgroup-mount", Text: "no cgroup file system with this controller is mounted",
		Command: command,
	}
}

// hierarchy returns the controllers of version 1 that can only be mounted together with
// this one, or "" if version 2 has it. A line of /proc/cgroups is "name hierarchy cgroups
// enabled"; version 2 is the hierarchy 0.
func hierarchy(controllers, controller string) string {
	number := map[string]string{}
	var names []string
	for line := range strings.Lines(controllers) {
		if field := strings.Fields(line); len(field) == 4 && field[1] != "0" &&
			!strings.HasPrefix(line, "#") {
			number[field[0]] = field[1]
			names = append(names, field[0])
		}
	}
	if number[controller] == "" {
		return ""
	}
	return strings.Join(slices.DeleteFunc(names, func(name string) bool {
		return number[name] != number[controller]
	}), ",")
}

// cgroupDir returns a directory to mount cgroups on, and whether it has to be made. Where
// version 1 is in use, each hierarchy has a directory of a tmpfs.
func cgroupDir(name string) (dir string, missing bool) {
	var fs unix.Statfs_t
	if unix.Statfs(cgroupRoot, &fs) != nil {
		return "/mnt", false
	}
	switch dir = cgroupRoot + "/" + name; {
	case isEmptyDir(dir):
		return dir, false
	case fs.Type == unix.TMPFS_MAGIC && fs.Flags&unix.ST_RDONLY == 0 && !exists(dir):
		return dir, true
	case fs.Type == unix.SYSFS_MAGIC:
		return cgroupRoot, false
	}
	return "/mnt", false
}

func isEmptyDir(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}
