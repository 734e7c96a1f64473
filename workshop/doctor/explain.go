//go:build linux

package doctor

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// An explainer explains failures: with package cause, and with the causes of the doctor's
// own probes, which no step has.
type explainer struct {
	host
	found  results
	prefix string // in front of a step, with a space behind it, or ""
}

// follows reports whether a probe fails only because another one does. Without a /proc,
// the commands fail too.
func (x explainer) follows(name string) bool {
	for _, p := range probes {
		if p.name == name {
			failed := func(other string) bool { return x.found[other] != nil }
			return slices.ContainsFunc(p.after, failed)
		}
	}
	return slices.Contains(commandNames(), name) && x.found["child"] != nil
}

// explain returns the diagnosis of what has failed.
func (x explainer) explain(name string) diagnosis {
	f := x.found[name]
	c := x.cause(name, f)
	if c.ID == "" {
		c = cause.Cause{
			ID:      "unknown",
			Text:    "unknown cause; the last failing system call in this trace shows it",
			Command: "strace -f " + x.program("workshop") + " " + subcommand,
		}
	}
	return diagnosis{
		ID: c.ID, Error: f.Error(), Cause: c.Text, Fix: c.Command,
		Steps: []string{},
	}
}

func (x explainer) cause(name string, f *failure) cause.Cause {
	isCommand := slices.Contains(commandNames(), name) || f.Op == "find" // by a probe
	switch {
	case f.Errno == unix.ETIMEDOUT:
		return x.slow(name)
	case contains([]string{"run", "memfd_create"}, f.Op) && contains(exhausted, f.Errno):
		return x.Explain("clone", f.Object, f.Errno)
	case f.Op == "clone" && contains(exhausted, f.Errno):
		return x.Explain(f.Op, f.Object, f.Errno)
	case slices.Contains(programNames(), name):
		return cause.Cause{
			ID: "programs", Command: x.build,
			Text: "all programs of this project must be in one directory, " +
				cmdline.Printable(x.dir),
		}
	case name == golang:
		return x.noGo()
	case isCommand && f.Op == "run" && f.Errno == unix.EPERM:
		return cause.Cause{
			ID: "capability", Command: "docker run --cap-add NET_RAW",
			Text: "the file of " + name + " asks for a capability that no process gets " +
				"here (see capabilities(7)); start the container with",
		}
	case isCommand:
		return x.missing(name, f)
	case strings.HasPrefix(f.Op, prefix): // unshare(1), as a plain user
		return x.Explain("clone", linux.FlagNames(user.flags), errno(f.Text))
	case f.Op == "clone" && contains(spent, f.Errno):
		return x.Explain(f.Op, x.spent(f.Object), f.Errno)
	}
	if c := x.beyond(name, f); c.ID != "" {
		return c
	}
	return x.Explain(f.Op, f.Object, f.Errno)
}

// beyond returns the causes of failures that only chapter 4 and the steps beyond the
// workshop meet.
func (x explainer) beyond(name string, f *failure) (none cause.Cause) {
	switch {
	case name == "veth" && f.Op != "clone":
		return cause.Cause{
			ID: "veth", Text: "chapters 4 and 11 create such a pair of links",
			Command: x.Sudo() + "modprobe veth",
		}
	case name == "cable" && f.Op != "clone":
		return cause.Cause{
			ID: "cable", Command: x.program("step7-user") + " -n -U root sh",
			Text: "the host's end of a cable needs root of the host: be root, or let a " +
				"shell with a NET namespace of its own play the host",
		}
	case strings.HasSuffix(f.Object, "/timens_offsets") && f.Errno == unix.EPERM:
		return cause.Cause{
			ID: "capability", Command: "docker run --cap-add SYS_TIME",
			Text: "the clocks of a TIME namespace need CAP_SYS_TIME; start the container " +
				"with",
		}
	case f.Op == "pivot_root":
		return cause.Cause{
			ID: "initramfs",
			Text: "pivot_root(2) can't move the initial RAM file system, and some machines " +
				"run from it; chroot(2) works there",
			Command: x.program("step6-chroot") + " -pmc jail sh",
		}
	case f.is("mount overlay of", unix.EPERM):
		return cause.Cause{
			ID: "old-overlay", Command: "uname -r",
			Text: "before Linux 5.11 only root of the machine may mount an overlay; to see " +
				"which kernel it is",
		}
	case f.is("mount overlay of", unix.ENODEV):
		return cause.Cause{
			ID: "no-overlay", Command: x.Sudo() + "modprobe overlay",
			Text: "this kernel has no overlay file system, or its module isn't loaded",
		}
	}
	return none
}

// What is used up says nothing about the object.
var (
	exhausted = []unix.Errno{unix.EAGAIN, unix.EMFILE}
	// EUSERS before Linux 4.9: clone(2)
	spent = []unix.Errno{unix.ENOSPC, unix.EUSERS}
)

func contains[T comparable](list []T, one T) bool { return slices.Contains(list, one) }

// errno returns the errno at the end of a message of a program, EPERM if there is none.
func errno(text string) unix.Errno {
	for _, errno := range []unix.Errno{
		unix.ENOSPC, unix.EINVAL,
		unix.EACCES, unix.EUSERS,
	} {
		end := len(text) - len(errno.Error())
		if end >= 0 && strings.EqualFold(text[end:], errno.Error()) {
			return errno
		}
	}
	return unix.EPERM
}

// spent returns all namespaces whose limit was met, like the object of clone.
func (x explainer) spent(object string) string {
	var names []string
	for _, ns := range linux.Kinds {
		met := func(f *failure) bool {
			return f != nil && f.Op == "clone" && contains(spent, f.Errno) &&
				f.Object == ns.Name
		}
		for _, f := range x.found {
			if met(f) && !slices.Contains(names, ns.Name) {
				names = append(names, ns.Name)
			}
		}
	}
	if names == nil {
		return object
	}
	return strings.Join(names, "|")
}

// slow is no verdict: nothing was found out.
func (x explainer) slow(name string) cause.Cause {
	c := cause.Cause{
		ID: "slow",
		Text: "unknown: the machine is slow or busy, or this hangs; " +
			"to see how long it takes",
	}
	for _, p := range append(probes, user) {
		if p.name == name {
			step, args, _ := strings.Cut(p.step, " ")
			c.Command = "time " + x.prefix + x.program(step) + " " + args
		}
	}
	for _, one := range commands {
		if one.name == name {
			c.Command = strings.TrimSpace("time " + name + " " + one.args)
		}
	}
	if c.Command == "" {
		c.Command = "time " + x.program(name) + " --help"
	}
	return c
}

func (x explainer) noGo() cause.Cause {
	const usual = "/usr/local/go/bin"
	c := cause.Cause{
		ID:      "go",
		Text:    "chapter 6 builds a program with Go, and Go isn't in PATH; add it",
		Command: "PATH=$PATH:" + usual,
	}
	if !exists(usual + "/go") {
		c.Text = "chapter 6 builds a program with Go; install Go, then add " +
			usual + " to PATH"
		c.Command = "curl -fL https://go.dev/dl/" + runtime.Version() + ".linux-" +
			runtime.GOARCH + ".tar.gz | " + x.Sudo() + "tar -C /usr/local -xz"
	}
	return c
}

// missing explains a command that isn't there, or too simple a one.
func (x explainer) missing(name string, f *failure) cause.Cause {
	if f.Op == "find" {
		name = f.Object
	}
	if x.elsewhere[name] != "" {
		return x.link()
	}
	lacking := x.lacking(name)
	c := cause.Cause{
		ID: "packages",
		Text: "missing here, or without the options that the chapters use: " +
			strings.Join(lacking, ", "),
	}
	if !slices.Contains(Distributions, x.os) {
		c.Text += "; your distribution may have other names for these packages"
	}
	c.Command = install(x.os, x.Sudo(), lacking)
	return c
}

// install returns what installs the packages of commands in a distribution, "" being an
// unknown one.
func install(os, sudo string, commands []string) string {
	column := slices.Index(Distributions, os)
	if column < 0 {
		return "install " + strings.Join(packages(commands, 0), " ")
	}
	return sudo + installers[column] + " " +
		strings.Join(packages(commands, column), " ")
}

// Installing returns what installs the packages of commands on this machine.
func Installing(commands ...string) string {
	h := gather()
	return install(h.os, h.Sudo(), commands)
}

// installers are the commands that install packages, for each of Distributions.
var installers = []string{
	"apt-get install -y", "dnf install -y",
	"pacman -S --needed", "apk add",
}

// lacking returns all commands that a package would bring: those that are as necessary,
// or as optional, as this one.
func (x explainer) lacking(name string) (lacking []string) {
	for _, c := range commands {
		same := slices.Contains(optional, c.name) == slices.Contains(optional, name)
		installable := c.name != golang && x.elsewhere[c.name] == ""
		if c.name == name || same && installable && x.found[c.name] != nil {
			lacking = append(lacking, c.name)
		}
	}
	return lacking
}

// packages returns the packages of commands, each once. A command that isn't in the table
// has a package of the same name.
func packages(names []string, column int) (found []string) {
	for _, c := range commands {
		if p := c.packages[column]; slices.Contains(names, c.name) &&
			!slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(commands, func(c command) bool { return c.name == name }) {
			found = append(found, name)
		}
	}
	return found
}

// link brings commands that only PATH has to where a step looks.
func (x explainer) link() cause.Cause {
	words := []string{"ln", "-s"}
	for _, c := range commands {
		if file := x.elsewhere[c.name]; file != "" {
			words = append(words, file)
		}
	}
	return cause.Cause{
		ID: "elsewhere", Text: "a step looks only in " + cmdline.Path,
		Command: x.Sudo() + cmdline.QuoteAll(append(words, "/usr/local/bin/")),
	}
}

// outside is about the commands that only a step finds.
func (x explainer) outside() (d diagnosis, found bool) {
	var names, dirs []string
	for _, c := range commands {
		file := x.outsidePATH[c.name]
		if file == "" {
			continue
		}
		names = append(names, c.name)
		if dir := filepath.Dir(file); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	c := cause.Cause{
		ID:      "path",
		Text:    "a step finds these, but a shell on the host doesn't",
		Command: "PATH=$PATH:" + strings.Join(dirs, ":"),
	}
	return diagnosis{
		ID: c.ID, Error: "PATH: no " +
			strings.Join(names, ", "), Cause: c.Text,
		Fix: c.Command, Steps: []string{},
	}, names != nil
}

func (x explainer) program(name string) string {
	return cmdline.Quote(filepath.Join(x.dir,
		name))
}
