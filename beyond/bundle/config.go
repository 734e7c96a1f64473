//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/privilege"
	"nsteps/common"
	"nsteps/internal/cmdline"
)

// version is that of the specification. crun refuses a version that is newer than it is,
// and that of 2020 knows this one. runc doesn't look at it.
const version = "1.0.2"

// masked are the files that runc spec lists to be hidden: they tell about the machine.
var masked = []string{
	"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
	"/sys/firmware",
}

// configOf returns the options in the words of the runtime specification (runtime-spec,
// config.md and config-linux.md).
func configOf(c *cli.Context) (*specs.Spec, error) {
	root, err := rootOf(c)
	if err != nil {
		return nil, err
	}
	command := c.Args().Tail()
	if len(command) == 0 {
		command = []string{"sh"}
	}
	words := slices.Concat(command, c.StringSlice("cgroup"), []string{root, c.String("uts")})
	for _, word := range words {
		if !utf8.ValidString(word) {
			return nil, cmdline.Usagef("config.json is UTF-8, and can't hold %s", word)
		}
	}
	env := []string{"PATH=" + cmdline.Path}
	if term, ok := os.LookupEnv("TERM"); ok {
		env = append(env, "TERM="+term)
	}
	_, err = unix.IoctlGetTermios(0, unix.TCGETS)
	isTerminal := err == nil
	spec := &specs.Spec{
		Version: version,
		Root:    &specs.Root{Path: root},
		Process: &specs.Process{
			Args: command, Cwd: "/", Terminal: isTerminal, Env: env,
		},
		Hostname: c.String("uts"),
		Mounts:   mounts(c),
		Linux: &specs.Linux{
			Namespaces: namespaces(c), Resources: resources(c),
			ReadonlyPaths: privilege.ReadOnly, MaskedPaths: masked,
		},
	}
	if c.Bool("user") {
		spec.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: uint32(os.Getuid()), Size: 1}}
		spec.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: uint32(os.Getgid()), Size: 1}}
	}
	return spec, nil
}

// rootOf returns the directory that the option --root names. A runtime refuses a path
// with symbolic links in it.
func rootOf(c *cli.Context) (string, error) {
	root, err := filepath.Abs(c.String("root"))
	if err != nil {
		return "", err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", err
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = common.Failed("open", c.String("root"), unix.ENOTDIR)
	}
	return root, err
}

// namespaces returns the new namespaces.
func namespaces(c *cli.Context) (kinds []specs.LinuxNamespace) {
	for _, option := range []struct {
		isNew bool
		kind  specs.LinuxNamespaceType
	}{
		{c.Bool("pid"), specs.PIDNamespace},
		{c.Bool("mnt"), specs.MountNamespace},
		{c.IsSet("uts"), specs.UTSNamespace},
		{c.Bool("net"), specs.NetworkNamespace},
		{c.Bool("ipc"), specs.IPCNamespace},
		{c.Bool("user"), specs.UserNamespace},
		{c.IsSet("cgroup"), specs.CgroupNamespace},
	} {
		if option.isNew {
			kinds = append(kinds, specs.LinuxNamespace{Type: option.kind})
		}
	}
	return kinds
}

// mounts returns the file systems that a runtime works with. It needs a /proc for itself.
// It makes devices, which must not stay in the image, so /dev is a tmpfs. And it opens
// the container's terminal, which is in /dev/pts.
func mounts(c *cli.Context) []specs.Mount {
	proc := specs.Mount{
		Destination: "/proc", Type: "proc", Source: "proc",
		Options: []string{"nosuid", "nodev", "noexec"},
	}
	if !c.Bool("pid") { // root of a USER namespace may only bind the host's (proc(5))
		proc.Type, proc.Source, proc.Options = "bind", "/proc", []string{"rbind"}
	}
	return []specs.Mount{
		proc,
		{
			Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "strictatime", "mode=755"},
		},
		{
			Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{
				"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
			},
		},
	}
}

// resources returns the limits. The specification has names of its own only for version 1
// of cgroups; in version 2 the name of the file is the name of the limit.
func resources(c *cli.Context) *specs.LinuxResources {
	limits := c.StringSlice("cgroup")
	if len(limits) == 0 {
		return nil
	}
	all := map[string]string{}
	for _, limit := range limits {
		file, value, _ := strings.Cut(limit, "=")
		all[file] = value
	}
	return &specs.LinuxResources{Unified: all}
}
