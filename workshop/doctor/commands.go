//go:build linux

package doctor

import "slices"

// Distributions are those whose packages are known, as Packages takes them.
var Distributions = []string{"debian", "fedora", "arch", "alpine"}

// A command is one that the chapters use. It is tried, since there are simpler ones of
// the same name that lack options.
type command struct {
	name     string
	args     string
	packages [4]string // of the Distributions
}

var (
	utilLinux = [4]string{"util-linux", "util-linux", "util-linux", "util-linux"}
	mountOnly = [4]string{"mount", "util-linux", "util-linux", "mount"}
	procps    = [4]string{"procps", "procps-ng", "procps-ng", "procps"}
	coreutils = [4]string{"coreutils", "coreutils", "coreutils", "coreutils"}
)

// golang is the command that builds a program in chapter 6, on the host.
const golang = "go"

var commands = []command{
	{"ps", "-e --no-headers", procps},
	{"pgrep", "-V", procps},
	{"mount", "-V", mountOnly},
	{"umount", "-V", mountOnly},
	{"mountpoint", "-V", utilLinux},
	{"findmnt", "-V", utilLinux},
	{"nsenter", "-V", utilLinux},
	{"setpriv", "-V", utilLinux},
	{"pivot_root", "--help", utilLinux},
	{"chroot", "--help", coreutils},
	{"hostname", "", [4]string{"hostname", "hostname", "inetutils", "net-tools"}},
	{"domainname", "", [4]string{"hostname", "hostname", "yp-tools", "net-tools"}},
	{"ip", "-brief link", [4]string{"iproute2", "iproute", "iproute2", "iproute2"}},
	{"ipcs", "-q", utilLinux},
	{"ipcmk", "-V", utilLinux},
	{"ipcrm", "-V", utilLinux},
	{"bash", "-c true", [4]string{"bash", "bash", "bash", "bash"}},
	{golang, "version", [4]string{}},
	{"unshare", "-V", utilLinux},
	{"strace", "-h", [4]string{"strace", "strace", "strace", "strace"}},
	{"readelf", "-v", [4]string{"binutils", "binutils", "binutils", "binutils"}},
}

// Packages returns the commands that the chapters use, with the packages of one of the
// Distributions that hold them. Go isn't among them: the packages of some are too old.
func Packages(distribution string) map[string]string {
	column := slices.Index(Distributions, distribution)
	found := map[string]string{}
	for _, c := range commands {
		if c.packages[column] != "" {
			found[c.name] = c.packages[column]
		}
	}
	return found
}

// steps are what the doctor speaks of. A step has the options of those before it, so it
// needs their probes too. The commands are those that its chapter shows.
var steps = []struct {
	name     string
	probes   []string
	commands []string
}{
	{"step1-pid", []string{"child", "pid"}, []string{"ps", "bash", "pgrep"}},
	{"step2-mnt", []string{"mnt", "proc"}, []string{"ps", "mount", "umount", "mountpoint", "nsenter"}},
	{"step3-uts", []string{"uts"}, []string{"hostname", "domainname", "setpriv"}},
	{"step4-net", []string{"net"}, []string{"ip"}},
	{"step5-ipc", []string{"queue", "ipc"}, []string{"ipcs", "ipcmk", "ipcrm"}},
	{"step6-chroot", []string{"jail"}, []string{"chroot", "findmnt", "pivot_root", golang}},
	{"binlibdepcp", nil, nil},
}

// optional is what the chapters show and no step needs.
var optional = []string{"lo", "veth", "unshare", "strace", "readelf"}

func probeNames() (names []string) {
	for _, p := range probes {
		names = append(names, p.name)
	}
	return names
}

func commandNames() (names []string) {
	for _, c := range commands {
		names = append(names, c.name)
	}
	return names
}

func stepNames() (names []string) {
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}
