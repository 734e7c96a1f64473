//go:build linux

package doctor

import (
	"slices"

	"nsteps"
)

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
	{"lsns", "-V", utilLinux},
	{"setpriv", "-V", utilLinux},
	{"pivot_root", "--help", utilLinux},
	{"chroot", "--help", coreutils},
	{"hostname", "", [4]string{"hostname", "hostname", "inetutils", "net-tools"}},
	{"domainname", "", [4]string{"hostname", "hostname", "yp-tools", "net-tools"}},
	{"ip", "-brief link", [4]string{"iproute2", "iproute", "iproute2", "iproute2"}},
	{"ping", "-V", [4]string{"iputils-ping", "iputils", "iputils", "iputils-ping"}},
	{"nft", "-v", [4]string{"nftables", "nftables", "nftables", "nftables"}},
	{"ipcs", "-q", utilLinux},
	{"ipcmk", "-V", utilLinux},
	{"ipcrm", "-V", utilLinux},
	{"bash", "-c true", [4]string{"bash", "bash", "bash", "bash"}},
	{golang, "version", [4]string{}},
	{"unshare", "-V", utilLinux},
	{"strace", "--pidns-translation -V", [4]string{"strace", "strace", "strace", "strace"}},
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

// needs are what a step needs besides its base, and the commands that its chapter shows,
// by the short names of the steps.
var needs = map[string]struct{ probes, commands []string }{
	"pid": {[]string{"child", "pid"}, []string{"ps", "bash", "pgrep"}},
	"mnt": {[]string{"mnt", "proc"}, []string{
		"ps", "mount", "umount",
		"mountpoint", "nsenter",
	}},
	"join":    {[]string{"setns"}, []string{"pgrep", "nsenter", "lsns"}},
	"uts":     {[]string{"uts"}, []string{"hostname", "domainname", "setpriv"}},
	"net":     {[]string{"net"}, []string{"ip"}},
	"ipc":     {[]string{"queue", "ipc"}, []string{"ipcs", "ipcmk", "ipcrm"}},
	"chroot":  {[]string{"jail"}, []string{"chroot", "findmnt", "pivot_root", golang}},
	"user":    {[]string{"userns"}, []string{"setpriv", "pgrep", "ip"}},
	"pivot":   {[]string{"pivot"}, []string{"findmnt", "nsenter", "pivot_root", golang}},
	"veth":    {[]string{"lo", "veth", "cable"}, []string{"ip", "ping", "nsenter", "pgrep"}},
	"dev":     {[]string{"dev"}, nil},
	"overlay": {[]string{"overlay"}, []string{"mount"}},
	"cgroup":  {nil, []string{"pgrep"}}, // only the option -g needs a cgroup
	"caps":    {[]string{"bounding"}, []string{"setpriv", "mount"}},
	"seccomp": {[]string{"seccomp"}, []string{"mount"}},
	"time":    {[]string{"time"}, nil},
	"container": {[]string{
		"child", "pid", "mnt", "proc", "uts", "net", "container", "pivot", "dev", "overlay",
		"bounding", "seccomp",
	}, []string{"pgrep"}},
}

// probesOf returns the probes of a step, those of its bases first.
func probesOf(step nsteps.Step) (names []string) {
	if base, err := nsteps.Find(step.Base); err == nil {
		names = probesOf(base)
	}
	return append(names, needs[step.Short].probes...)
}

// jailer fills jails. It is a program of this suite like the steps, and needs nothing.
const jailer = "binlibdepcp"

// optional is what the chapters show and no step needs.
var optional = []string{"lo", "veth", "cgroup", "nft", "unshare", "strace", "readelf"}

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

func programNames() []string { return append(nsteps.Names(), jailer) }
