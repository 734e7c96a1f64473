//go:build linux

package doctor

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
)

// facts are what explains a failure. They don't decide anything.
type facts struct {
	uid       int               // effective, in this user namespace
	sysAdmin  bool              // CAP_SYS_ADMIN is effective
	userns    bool              // this user namespace isn't the initial one
	apparmor  bool              // kernel.apparmor_restrict_unprivileged_userns is 1
	noClone   bool              // kernel.unprivileged_userns_clone is 0
	limits    map[string]string // the user.max_*_namespaces, by their names in namespaces
	seccomp   bool              // a filter is installed
	container string            // docker, podman, lxc, ..., or "" for none that is known
	wsl       string            // the distribution's name under WSL 1, or "WSL" if that isn't known
	inChroot  bool              // the root directory is no mount point
	masked    []string          // mount points below /proc
	os        string            // debian, fedora, arch, alpine, or "" for another one
	dir       string            // where the programs of this suite are
	build     string            // the command that builds them there

	msgqueue, msgqueueMax uint64            // RLIMIT_MSGQUEUE, in bytes
	elsewhere             map[string]string // the files of commands that only PATH has
	outsidePATH           map[string]string // the files of those that only a step finds
}

func gather() facts {
	status := read("/proc/self/status")
	const capSysAdmin = 21 // capabilities(7)
	f := facts{
		uid:       os.Geteuid(),
		sysAdmin:  hasBit(field(status, "CapEff:"), capSysAdmin),
		userns:    strings.Join(strings.Fields(trimmed("/proc/self/uid_map")), " ") != "0 0 4294967295",
		apparmor:  trimmed("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1",
		noClone:   trimmed("/proc/sys/kernel/unprivileged_userns_clone") == "0",
		limits:    map[string]string{},
		seccomp:   field(status, "Seccomp:") == "2",
		container: container(exists, os.Getenv),
		wsl:       wsl1(trimmed("/proc/version"), os.Getenv("WSL_DISTRO_NAME")),
		os:        osFamily(read("/etc/os-release")),
		elsewhere: map[string]string{}, outsidePATH: map[string]string{},
		dir: programDir(), build: buildCommand(programDir()),
	}
	for _, ns := range common.Namespaces {
		f.limits[ns.File] = trimmed("/proc/sys/user/max_" + ns.File + "_namespaces")
	}
	if mountinfo := read("/proc/self/mountinfo"); mountinfo != nil {
		f.inChroot, f.masked = mounts(mountinfo)
	}
	var rlimit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &rlimit) == nil {
		f.msgqueue, f.msgqueueMax = rlimit.Cur, rlimit.Max
	}
	for _, c := range commands {
		switch step, person := lookPath(c.name, searchPath), lookPath(c.name, os.Getenv("PATH")); {
		case step == "" && person != "":
			f.elsewhere[c.name] = person
		case step != "" && person == "":
			f.outsidePATH[c.name] = step
		}
	}
	return f
}

func read(file string) []byte {
	text, _ := os.ReadFile(file)
	return text
}

func trimmed(file string) string { return string(bytes.TrimSpace(read(file))) }

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// field returns the value of a line "name value" of a file in /proc.
func field(file []byte, name string) string {
	for line := range bytes.Lines(file) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// hasBit reports whether a mask of hexadecimal digits has the bit.
func hasBit(mask string, bit int) bool {
	m, _ := strconv.ParseUint(mask, 16, 64)
	return m>>bit&1 == 1
}

// container names what this is a container of, from the files and the environment that
// these leave in it.
func container(exists func(string) bool, env func(string) string) string {
	switch {
	case exists("/run/.containerenv"):
		return "podman"
	case env("KUBERNETES_SERVICE_HOST") != "":
		return "kubernetes"
	case exists("/.dockerenv"):
		return "docker"
	}
	return env("container")
}

// wsl1 tells WSL 1 from WSL 2, whose kernel is one of Linux: "4.4.0-19041-Microsoft" and
// "5.15.90.1-microsoft-standard-WSL2".
func wsl1(version, distribution string) string {
	switch {
	case !strings.Contains(version, "-Microsoft "):
		return ""
	case distribution == "":
		return "WSL"
	}
	return distribution
}

// mounts returns from a mountinfo, proc_pid_mountinfo(5), whether the root directory is
// no mount point, and the mount points below /proc that hide something.
func mounts(mountinfo []byte) (inChroot bool, masked []string) {
	inChroot = true
	for line := range strings.Lines(string(mountinfo)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		switch point := fields[4]; {
		case point == "/":
			inChroot = false
		case strings.HasPrefix(point, "/proc/") && point != "/proc/sys/fs/binfmt_misc":
			masked = append(masked, point)
		}
	}
	return inChroot, masked
}

// osFamily returns which of the distributions in packages an os-release(5) is of.
func osFamily(release []byte) string {
	ids := field(release, "ID=") + " " + field(release, "ID_LIKE=")
	for _, id := range strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(ids)) {
		switch id {
		case "debian", "ubuntu":
			return "debian"
		case "fedora", "rhel", "centos":
			return "fedora"
		case "arch", "alpine":
			return id
		}
	}
	return ""
}

// buildCommand returns what builds the programs where they are looked for.
func buildCommand(dir string) string {
	if filepath.Base(dir) == "bin" && exists(filepath.Join(dir, "../Makefile")) {
		return "make -C " + common.Quote(filepath.Dir(dir)) + " build"
	}
	return "make build BIN=" + common.Quote(dir)
}
