//go:build linux

package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
)

// steps are what the doctor speaks of. A step has the options of those before it, so it
// needs their probes too; the commands are those that its chapter shows.
var steps = []struct {
	name     string
	probes   []string
	commands []string
}{
	{"step1-pid", []string{"child", "pid"}, []string{"ps", "bash"}},
	{"step2-mnt", []string{"mnt", "proc"}, []string{"ps", "mount"}},
	{"step3-uts", []string{"uts"}, []string{"hostname"}},
	{"step4-net", []string{"net"}, []string{"ip"}},
	{"step5-ipc", []string{"queue", "ipc"}, []string{"ipcs", "ipcmk", "ipcrm"}},
	{"step6-chroot", []string{"chroot"}, nil},
	{"binlibdepcp", nil, nil},
}

// optional is what the chapters show and no step needs.
var optional = []string{"lo", "veth", "unshare", "strace"}

// A report is what --json prints.
type report struct {
	Can       bool          `json:"can"`
	Prefix    string        `json:"prefix"`
	Steps     []stepReport  `json:"steps"`
	Diagnoses []diagnosis   `json:"diagnoses"`
	Notes     []diagnosis   `json:"notes"`
	Probes    []probeReport `json:"probes"`
}

type stepReport struct {
	Name   string   `json:"name"`
	Can    bool     `json:"can"`
	Causes []string `json:"causes"`
}

type diagnosis struct {
	ID    string   `json:"id"`
	Error string   `json:"error"`
	Cause string   `json:"cause"`
	Mend  string   `json:"mend"`
	Steps []string `json:"steps"`
}

type probeReport struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

// diagnose decides from what the probes found which steps can run, and explains by the
// facts why others can't.
func diagnose(e examination) report {
	found, prefix := choose(e)
	maps.Copy(found, e.commands)
	r := report{Can: true, Prefix: prefix, Diagnoses: []diagnosis{}, Notes: []diagnosis{}}
	x := explainer{facts: e.facts, found: found}
	add := func(to *[]diagnosis, name string) *diagnosis {
		d := x.explain(name, found[name])
		i := slices.IndexFunc(*to, func(other diagnosis) bool { return other.ID == d.ID })
		if i < 0 {
			d.Error, d.Steps = found[name].Error(), []string{}
			*to = append(*to, d)
			i = len(*to) - 1
		}
		return &(*to)[i]
	}
	var needs []string
	for _, s := range steps {
		if s.name == "binlibdepcp" {
			needs = nil
		}
		needs = append(needs, s.probes...)
		one := stepReport{Name: s.name, Can: true, Causes: []string{}}
		for _, name := range slices.Concat(needs, s.commands, []string{s.name}) {
			if found[name] == nil {
				continue
			}
			one.Can, r.Can = false, false
			if x.follows(name) {
				continue
			}
			d := add(&r.Diagnoses, name)
			if !slices.Contains(one.Causes, d.ID) {
				one.Causes = append(one.Causes, d.ID)
				d.Steps = append(d.Steps, s.name)
			}
		}
		r.Steps = append(r.Steps, one)
	}
	for _, name := range optional {
		if found[name] != nil && !x.follows(name) {
			if d := x.explain(name, found[name]); !slices.ContainsFunc(r.Diagnoses,
				func(other diagnosis) bool { return other.ID == d.ID && other.Mend == d.Mend }) {
				add(&r.Notes, name)
			}
		}
	}
	if d, ok := x.outsidePATH(); ok {
		r.Notes = append(r.Notes, d)
	}
	for _, name := range slices.Concat(probeNames(), commandNames()) {
		p := probeReport{Name: name, OK: found[name] == nil}
		if !p.OK {
			p.Error = found[name].Error()
		}
		r.Probes = append(r.Probes, p)
	}
	if e.user != nil {
		p := probeReport{Name: user.name, OK: true}
		if f := cmp.Or(e.user[user.name], e.prefix); f != nil {
			p.OK, p.Error = false, f.Error()
		}
		r.Probes = append(r.Probes, p)
	}
	return r
}

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
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// choose returns the results that count: those in this user namespace, or those as root
// of a new one if more works there, with what it takes to be that.
func choose(e examination) (found results, as string) {
	found = maps.Clone(e.direct)
	if e.user == nil {
		return found, ""
	}
	refused := e.user[user.name]
	better := refused == nil && failures(e.user) < failures(e.direct)
	switch {
	case better && e.prefix == nil:
		found = maps.Clone(e.user)
		delete(found, user.name)
		return found, prefix
	case e.facts.uid == 0 && !better:
		return found, "" // for root, a user namespace is no expectation
	case refused == nil:
		refused = e.prefix
	}
	for name, f := range found {
		if refused != nil && f.is("clone", unix.EPERM) {
			found[name] = refused
		}
	}
	return found, ""
}

func failures(found results) (n int) {
	for _, f := range found {
		if f != nil {
			n++
		}
	}
	return n
}

// An explainer explains failures.
type explainer struct {
	facts
	found results
}

// follows reports whether a probe fails only because another one does. Without a /proc,
// that are the commands too.
func (x explainer) follows(name string) bool {
	for _, p := range probes {
		if p.name == name {
			return slices.ContainsFunc(p.after, func(other string) bool { return x.found[other] != nil })
		}
	}
	isCommand := slices.ContainsFunc(commands, func(c command) bool { return c.name == name })
	return isCommand && x.found["child"] != nil
}

// explain returns the cause of a failure, and one command that mends it.
func (x explainer) explain(name string, f *failure) diagnosis {
	isProbe := slices.Contains(probeNames(), name)
	switch {
	case f.Errno == unix.ETIMEDOUT:
		return diagnosis{ID: "slow", Cause: "the machine is busy, or something hangs",
			Mend: x.program("workshop") + " " + subcommand}
	case f.Errno == unix.EAGAIN && (f.Op == "clone" || f.Op == "run"):
		return diagnosis{ID: "processes", Cause: "too many processes, RLIMIT_NPROC or a pids cgroup",
			Mend: x.sudo() + "prlimit --pid $$ --nproc=unlimited"}
	case name == "binlibdepcp" || strings.HasPrefix(name, "step"):
		return diagnosis{ID: "programs", Cause: "the programs of this suite belong into one directory, " + x.dir,
			Mend: x.build}
	case name == "veth" && f.Op != "clone":
		return diagnosis{ID: "veth", Cause: "chapter 4 makes such a pair of links",
			Mend: x.sudo() + "modprobe veth"}
	case !isProbe || f.Op == "find":
		return x.missing(name, f)
	case f.Op == "re-execute" && f.Errno == unix.ENOENT:
		return diagnosis{ID: "no-proc", Cause: "there is no /proc, where a step finds itself",
			Mend: x.sudo() + "mount -t proc proc /proc"}
	case x.wsl != "":
		return diagnosis{ID: "wsl1", Cause: "WSL 1 has no Linux kernel, and next to no namespaces; WSL 2 has",
			Mend: "wsl.exe --set-version " + common.Quote(x.wsl) + " 2"}
	case f.Op == "clone":
		return x.clone(f)
	case strings.HasPrefix(f.Op, "mq_"):
		return x.queue(f)
	case strings.HasPrefix(f.Op, prefix): // as a plain user
		return x.refused(f)
	case f.Op == "make mounts private below" && f.Errno == unix.EINVAL:
		return diagnosis{ID: "chroot", Cause: "the root directory isn't a mount point, as in a chroot; " +
			"before chroot DIR, make it one", Mend: x.sudo() + "mount --bind DIR DIR"}
	case f.Errno == unix.EACCES:
		return diagnosis{ID: "lsm", Cause: "a security module, as AppArmor, forbids it, as in a container",
			Mend: x.start("--security-opt apparmor=unconfined", "--security-opt label=disable")}
	case f.Op == "mount proc on" && f.Errno == unix.EPERM && (x.uid != 0 || x.sysAdmin):
		masks := "parts of its /proc"
		if x.masked != nil {
			masks += " (" + strings.Join(x.masked[:min(3, len(x.masked))], ", ") + ")"
		}
		return diagnosis{ID: "masked-proc", Cause: "an outer container masks " + masks + ", which a new one would show",
			Mend: x.start("--security-opt systempaths=unconfined", "--security-opt unmask=ALL")}
	case f.Errno == unix.EPERM:
		return x.forbidden()
	}
	return x.unknown()
}

func (x explainer) unknown() diagnosis {
	return diagnosis{ID: "unknown", Cause: "what the kernel says to it, strace(1) shows",
		Mend: "strace -f " + x.program("workshop") + " " + subcommand}
}

// clone explains why there is no new namespace.
func (x explainer) clone(f *failure) diagnosis {
	isUser := f.Object == common.FlagNames(user.flags)
	switch f.Errno {
	case unix.ENOSPC, unix.EUSERS: // EUSERS before Linux 4.9: clone(2)
		return x.limited()
	case unix.EINVAL:
		d := diagnosis{ID: "kernel", Cause: "the kernel is built without this namespace; " +
			"a distribution's has it, and what this one has is listed by", Mend: "ls /proc/self/ns"}
		if isUser {
			d.Cause, d.Mend = "the kernel is built without user namespaces, so be root",
				"sudo "+x.program("step1-pid")+" -p"
		}
		return d
	case unix.ENOSYS:
		return x.filtered()
	case unix.EPERM, unix.EACCES:
		if isUser {
			return x.refused(f)
		}
		return x.forbidden()
	}
	return x.unknown()
}

// limited names all limits that were met, those that are 0 if any is.
func (x explainer) limited() diagnosis {
	var met, zero []string
	for _, ns := range common.Namespaces {
		for _, f := range x.found {
			if f != nil && f.Op == "clone" && f.Object == ns.Name && (f.Errno == unix.ENOSPC || f.Errno == unix.EUSERS) {
				met = append(met, ns.File)
				if x.limits[ns.File] == "0" {
					zero = append(zero, ns.File)
				}
				break
			}
		}
	}
	text := " reached, here or in an outer user namespace, or 32 of these are nested: namespaces(7)"
	if zero != nil {
		met, text = zero, " 0"
	}
	var names, settings []string
	for _, file := range met {
		names = append(names, "user.max_"+file+"_namespaces")
		settings = append(settings, "user.max_"+file+"_namespaces=10000")
	}
	is := " is"
	if len(met) > 1 {
		is = " are"
	}
	return diagnosis{ID: "limit", Cause: strings.Join(names, ", ") + is + text,
		Mend: x.sudo() + "sysctl -w " + strings.Join(settings, " ")}
}

// refused explains why there is no user namespace for a plain user: user_namespaces(7).
func (x explainer) refused(f *failure) diagnosis {
	switch {
	case x.noClone:
		return diagnosis{ID: "userns-clone", Cause: "kernel.unprivileged_userns_clone is 0: user namespaces are " +
			"for root alone", Mend: "sudo sysctl -w kernel.unprivileged_userns_clone=1"}
	case x.limits["user"] == "0" || strings.HasSuffix(f.Text, "No space left on device"):
		x.found = results{user.name: {Op: "clone", Object: common.FlagNames(user.flags), Errno: unix.ENOSPC}}
		return x.limited()
	case x.inChroot:
		return diagnosis{ID: "chroot", Cause: "in a chroot nobody may make a user namespace, clone(2); leave it",
			Mend: "exit"}
	case x.seccomp && (x.container != "" || !x.apparmor):
		return x.filtered()
	case x.apparmor:
		return x.restricted()
	}
	return diagnosis{ID: "privilege", Cause: "namespaces take root, and a user namespace is refused; be root",
		Mend: "sudo " + x.program("step1-pid") + " -p"}
}

func (x explainer) restricted() diagnosis {
	return diagnosis{ID: "apparmor", Cause: "AppArmor restricts the user namespaces of plain users; " +
		"with sudo the steps run nevertheless", Mend: "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}
}

func (x explainer) filtered() diagnosis {
	return diagnosis{ID: "seccomp", Cause: "a seccomp filter forbids it, as in a container",
		Mend: x.start("--security-opt seccomp=unconfined", "--security-opt seccomp=unconfined")}
}

// forbidden explains EPERM for those who are root, or root of their user namespace.
func (x explainer) forbidden() diagnosis {
	switch {
	case x.apparmor && (x.userns || x.uid != 0):
		return x.restricted()
	case x.seccomp && (x.sysAdmin || x.uid != 0):
		return x.filtered()
	}
	return diagnosis{ID: "capability", Cause: "even root may not, as in a container without CAP_SYS_ADMIN",
		Mend: x.start("--privileged", "--privileged")}
}

// start returns how to start the container that this is, or probably is.
func (x explainer) start(docker, podman string) string {
	switch x.container {
	case "podman", "oci":
		return "podman run " + podman
	case "lxc":
		return "lxc config set NAME security.nesting=true"
	case "systemd-nspawn":
		return "systemd-nspawn --capability=all --system-call-filter=@mount"
	case "kubernetes":
		return "kubectl debug -it POD --image=IMAGE --profile=sysadmin"
	}
	return "docker run " + docker
}

// queue explains the failures of mq_open(3) and mq_unlink(3).
func (x explainer) queue(f *failure) diagnosis {
	switch f.Errno {
	case unix.EMFILE:
		const usual = 819200 // mq_overview(7)
		d := diagnosis{ID: "queue-bytes", Cause: fmt.Sprintf("not open files, but the bytes for a user's queues: "+
			"RLIMIT_MSGQUEUE is %d, and a part of that may be in use", x.msgqueue)}
		switch {
		case x.msgqueue >= usual:
			d.Mend = x.sudo() + "prlimit --pid $$ --msgqueue=unlimited"
		case x.msgqueueMax >= usual:
			d.Mend = fmt.Sprintf("prlimit --pid $$ --msgqueue=%d", usual)
		default:
			d.Mend = fmt.Sprintf("%sprlimit --pid $$ --msgqueue=%d", x.sudo(), usual)
		}
		return d
	case unix.ENOSPC:
		return diagnosis{ID: "queue-number", Cause: "not the disk, but the number of queues: fs.mqueue.queues_max",
			Mend: x.sudo() + "sysctl -w fs.mqueue.queues_max=1024"}
	case unix.EINVAL:
		return diagnosis{ID: "queue-size", Cause: "queues are kept smaller here: mq_overview(7)",
			Mend: x.sudo() + "sysctl -w fs.mqueue.msg_max=10 fs.mqueue.msgsize_max=8192"}
	case unix.ENOSYS:
		if x.seccomp {
			return x.filtered()
		}
		return diagnosis{ID: "kernel-mqueue", Cause: "the kernel is built without POSIX message queues; " +
			"a distribution's has them, and this one is", Mend: "uname -r"}
	case unix.EPERM:
		if f.Op == "mq_unlink" {
			return diagnosis{ID: "queue-owner", Cause: "there is a queue /ipc_namespace of another user, " +
				"left behind, or of a run just now", Mend: x.sudo() + "sh -c " +
				common.Quote("mount -t mqueue none /mnt; rm /mnt/ipc_namespace; umount /mnt")}
		}
	}
	return x.filtered()
}

// missing explains a command that isn't there, or too simple a one.
func (x explainer) missing(name string, f *failure) diagnosis {
	if f.Op == "find" {
		name = f.Object
	}
	if x.elsewhere[name] != "" {
		d := diagnosis{ID: "elsewhere", Cause: "a step looks in " + searchPath + " only", Mend: x.sudo() + "ln -s"}
		for _, c := range commands {
			if file := x.elsewhere[c.name]; file != "" {
				d.Mend += " " + common.Quote(file)
			}
		}
		d.Mend += " /usr/local/bin/"
		return d
	}
	var lacking, packages []string
	column := slices.Index([]string{"debian", "fedora", "arch", "alpine"}, x.os)
	for _, c := range commands {
		same := slices.Contains(optional, c.name) == slices.Contains(optional, name)
		if c.name != name && (!same || x.found[c.name] == nil || x.elsewhere[c.name] != "") {
			continue
		}
		lacking = append(lacking, c.name)
		if column >= 0 && !slices.Contains(packages, c.packages[column]) {
			packages = append(packages, c.packages[column])
		}
	}
	d := diagnosis{ID: "packages", Cause: "missing here, or too simple: " + strings.Join(lacking, ", ")}
	if column < 0 {
		d.Cause += "; your distribution has packages that hold these:"
		for _, c := range commands {
			if p := c.packages[0]; slices.Contains(lacking, c.name) && !slices.Contains(packages, p) {
				packages = append(packages, p)
			}
		}
		d.Mend = "install " + strings.Join(packages, " ")
		return d
	}
	install := []string{"apt-get install -y", "dnf install -y", "pacman -S --needed", "apk add"}[column]
	d.Mend = x.sudo() + install + " " + strings.Join(packages, " ")
	return d
}

// outsidePATH is about the commands that only a step finds.
func (x explainer) outsidePATH() (d diagnosis, any bool) {
	var names, dirs []string
	for _, c := range commands {
		file := x.facts.outsidePATH[c.name]
		if file == "" {
			continue
		}
		names = append(names, c.name)
		if dir := filepath.Dir(file); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return diagnosis{ID: "path", Error: "PATH: no " + strings.Join(names, ", "),
		Cause: "a step finds these, but a shell on the host doesn't", Steps: []string{},
		Mend: "PATH=$PATH:" + strings.Join(dirs, ":")}, names != nil
}

func (x explainer) program(name string) string {
	return common.Quote(filepath.Join(x.dir, name))
}

func (f facts) sudo() string {
	if f.uid == 0 {
		return ""
	}
	return "sudo "
}
