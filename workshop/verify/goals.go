//go:build linux

package verify

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/workshop/output"
)

// A goal is the exercise of a chapter: to get a process that all of it applies to. What
// a check takes for granted is checked before it.
type goal struct {
	step   string
	title  string
	checks []check
}

// A check is one thing that has to hold.
type check struct {
	text  string
	fact  string // without which nobody can tell, as facts.Unknown names it
	holds func(*facts) bool
	why   func(*facts) string // it doesn't hold, behind the text; may be nil
	hint  string
	then  command // the stronger hint
	// thenFor is in the place of then where that depends on the process.
	thenFor func(*facts) command
}

// A command is one for a person to type.
type command struct {
	program string // of this suite, or "" for a command to be typed inside
	args    string
}

var goals = []goal{
	{"step1-pid", "PID", []check{
		own("pid", command{"step1-pid", "-p bash --norc"}),
		{
			text:  "PID 1 of that namespace",
			holds: func(f *facts) bool { return f.own("pid") && f.Inside == 1 },
			why: func(f *facts) string {
				if !f.own("pid") {
					return ""
				}
				return fmt.Sprintf("it is PID %d", f.Inside)
			},
			hint: "PID 1 is the command you gave to the step, not a process that " +
				"this command started.",
			then: command{"step1-pid", "-p bash --norc"},
		},
		{
			text: "another process in that namespace", fact: "others",
			holds: func(f *facts) bool { return f.own("pid") && f.Others > 0 },
			hint: "PID 1 is alone in there. Let it start something that stays, in " +
				"the background.",
			then: command{"", "sleep 1000 &"},
		},
	}},
	{"step2-mnt", "MNT", []check{
		own("pid", command{"step2-mnt", "-pm bash --norc"}),
		own("mnt", command{"step2-mnt", "-pm bash --norc"}),
		// Before any mount: it would be the host's too.
		{
			text: "no mount in a peer group with one of the host's", fact: "mounts",
			holds: func(f *facts) bool {
				return f.Mounts != nil && len(f.Mounts.Shared) == 0
			},
			why: func(f *facts) string {
				if f.Mounts == nil {
					return ""
				}
				return output.List(f.Mounts.Shared, " ")
			},
			hint: "What is mounted below these would appear on the host too. Their " +
				"propagation can be " +
				"changed: mount_namespaces(7).",
			then: command{"", "mount --make-rprivate /"},
		},
		properProc(command{"", "mount -t proc proc /proc"}),
		{
			text: "a mount, other than /proc, that is not on the host", fact: "mounts",
			holds: func(f *facts) bool { return len(f.addedMounts()) > 0 },
			hint: "Mount something in there, and look for it on the host. A tmpfs " +
				"takes no disk, and any " +
				"directory to be mounted on.",
			then: command{"", "mount -t tmpfs none /mnt"},
		},
	}},
	{"step3-uts", "UTS", []check{
		own("uts", command{"step3-uts", "-u box bash --norc"}),
		{
			text: "a hostname that isn't the host's", fact: "hostname",
			holds: func(f *facts) bool {
				return f.own("uts") && f.Unknown["hostname"] == "" &&
					f.Hostname != f.HostName
			},
			hint: "A new UTS namespace begins with a copy of the hostname. It can be " +
				"changed, from inside.",
			then: command{"", "hostname box"},
		},
	}},
	{"step4-net", "NET", []check{
		own("net", command{"step4-net", "-n bash --norc"}),
		{
			text: "lo is up", fact: "links",
			holds: func(f *facts) bool { return f.loUp() },
			hint: "A new NET namespace has one link, and that is down: ip link, " +
				"inside, shows it.",
			then: command{"", "ip link set lo up"},
		},
	}},
	{"step5-ipc", "IPC", []check{
		own("ipc", command{"step5-ipc", "-i yes bash --norc"}),
		{
			text: "a message queue in it", fact: "queues",
			holds: func(f *facts) bool {
				return f.Queues != nil && f.Queues.SystemV+len(f.Queues.POSIX) > 0
			},
			hint: "A new IPC namespace has none. ipcs -q, inside, lists those of " +
				"System V; a command like it " +
				"makes one.",
			then: command{"", "ipcmk -Q"},
		},
	}},
	{"step6-chroot", "chroot", []check{
		{
			text: "a root directory that isn't the host's", fact: "root",
			holds: func(f *facts) bool { return f.Root != "" && !f.HostRoot },
			hint: "The process has the host's root directory. An option of " +
				"step6-chroot changes that. It needs a directory with a shell and its " +
				"libraries, and \"binlibdepcp bash ls ps jail\" fills one.",
			then: jailed,
		},
		{
			text:  "PID, MNT, UTS, NET and IPC namespaces of its own",
			holds: func(f *facts) bool { return len(f.missing()) == 0 },
			why: func(f *facts) string {
				return "not " + strings.Join(f.missing(), " ")
			},
			hint: "step6-chroot has an option for each namespace: --help lists " +
				"the options. Give them all in one command.",
			then: jailed,
		},
		properProc(jailed),
	}},
	{"step7-user", "USER", []check{
		own("user", command{"step7-user", "-U root bash"}),
		{
			text: "user 0 in there", fact: "identity",
			holds: func(f *facts) bool {
				return f.own("user") && f.Identity != nil && f.Identity.Inside == 0
			},
			why: func(f *facts) string {
				if f.Identity == nil {
					return ""
				}
				return fmt.Sprintf("it is user %d", f.Identity.Inside)
			},
			hint: "A USER namespace without a map has no user 0. One of the words that " +
				"the option takes maps your own user to 0.",
			then: command{"step7-user", "-U root bash"},
		},
		{
			text: "another namespace, which that USER namespace owns", fact: "identity",
			holds: func(f *facts) bool {
				return f.own("user") && f.Identity != nil && len(f.Identity.Owned) > 0
			},
			hint: "Its other namespaces are the host's, so its root has no power over " +
				"them. clone(2) makes the USER namespace first, and a namespace that it " +
				"makes with it belongs to it.",
			then: command{"step7-user", "-nU root bash"},
		},
	}},
	{"step8-pivot", "pivot_root", []check{
		{
			text: "a root directory that isn't the host's", fact: "root",
			holds: func(f *facts) bool { return f.Root != "" && !f.HostRoot },
			hint: "The process has the host's root directory. An option of step8-pivot " +
				"takes another one, and that option needs a MNT namespace. \"binlibdepcp " +
				"bash ls ps img\" makes a small one.",
			then: pivoted,
		},
		{
			text: "nothing above that root directory", fact: "root",
			holds: func(f *facts) bool {
				return f.Root != "" && !f.HostRoot && f.Above == ""
			},
			why: func(f *facts) string {
				if f.Above == "" {
					return ""
				}
				return f.Above + " is above it"
			},
			hint: "chroot(2) changes the root directory of a process, and leaves the list " +
				"of mounts as it is. Another program of this suite changes the list.",
			then: pivoted,
		},
		properProc(pivoted),
	}},
	{"step9-dev", "DEV", []check{
		ownRoot(furnished),
		ownMount("a tmpfs on /dev", "/dev", "tmpfs", furnished,
			"The /dev is the image's directory. An option of step9-dev mounts a new one."),
		ownMount("a device on /dev/null", "/dev/null", "", furnished,
			"There is a new /dev, and no device is bind mounted in it."),
		ownMount("terminals of its own, on /dev/pts", "/dev/pts", "devpts", furnished,
			"A devpts that is mounted has terminals of its own."),
		ownMount("a /sys of its own NET namespace", "/sys", "sysfs",
			command{"step4-net", `-n "$(command -v step9-dev)" -pmdr img bash --norc`},
			"A sysfs shows the NET namespace of the process that mounts it, and the "+
				"step mounts it only in a new one. Another step makes that: start "+
				"step9-dev from it."),
	}},
	{"step10-overlay", "overlay", []check{
		ownRoot(overlaid),
		ownMount("an overlay as the top of its mounts", "/", "overlay", overlaid,
			"The root directory is the image itself, so each change is a change of the "+
				"image. Another option of step10-overlay lays something over it."),
	}},
	{"step11-veth", "veth", []check{
		own("net", command{"step11-veth", "-ne 10.9.8.0/30 bash --norc"}),
		{
			text: "a link other than lo is up", fact: "links",
			holds: func(f *facts) bool {
				return slices.ContainsFunc(f.Links, func(l link) bool {
					return l.Name != "lo" && l.Up
				})
			},
			hint: "A new NET namespace has one link, lo. An option of step11-veth makes " +
				"another, one end of a cable, and needs a network of four addresses.",
			then: command{"step11-veth", "-ne 10.9.8.0/30 bash --norc"},
		},
		{
			text: "a default route", fact: "routed",
			holds: func(f *facts) bool { return f.Routed },
			hint: "Its routes lead to the other end of the cable and nowhere else. Add " +
				"one for all other networks. Its gateway is the host's end.",
			then: throughCable(&facts{}), thenFor: throughCable,
		},
	}},
	{"step12-cgroup", "CGROUP", []check{
		own("cgroup", command{"step12-cgroup", "-g pids.max=20 bash --norc"}),
		hasLimit("pids", "a limit on the number of its processes",
			command{"step12-cgroup", "-g pids.max=20 bash --norc"}),
		hasLimit("memory", "a limit on its memory",
			command{"step12-cgroup", "-g pids.max=20 -g memory.max=64M bash --norc"}),
	}},
	{"step13-caps", "capabilities", []check{
		{
			text: "no CAP_SYS_ADMIN, and no way to get it", fact: "privileges",
			holds: func(f *facts) bool {
				return f.Privileges != nil && !f.Privileges.has(unix.CAP_SYS_ADMIN)
			},
			hint: "The bounding set of the process has the capability, so root may get " +
				"it from each execve(2). An option of step13-caps takes it away.",
			then: limited,
		},
		{
			text: "no_new_privs", fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && f.Privileges.NoNew },
			hint: "A set-user-ID program could still give the process more. The bit " +
				"NoNewPrivs in its status is 0.",
			then: limited,
		},
		{
			text: "a read-only " + settings, fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && !f.Privileges.Settings },
			hint: "Root needs no capability to write there. The step protects only a " +
				"/proc of its own, which takes two namespaces.",
			then: limited,
		},
	}},
	{"step14-seccomp", "seccomp", []check{
		{
			text: "a filter of system calls", fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && f.Privileges.Filters > 0 },
			hint: "The line Seccomp_filters in its status has the number of its filters. " +
				"An option of step14-seccomp adds one.",
			then: filtered,
		},
		{
			text: "another filter on top of it", fact: "privileges",
			holds: func(f *facts) bool { return f.Privileges != nil && f.Privileges.Filters > 1 },
			hint: "A process with a filter may add another. Start the step again, from " +
				"inside, by its whole path.",
			then: command{"step14-seccomp", "-s $(command -v step14-seccomp) -s bash"},
		},
	}},
	{"step15-time", "TIME", []check{
		own("time", elsewhere),
		{
			text: "an uptime of at least a day more than the host's", fact: "clocks",
			holds: func(f *facts) bool { return f.Ahead != nil && *f.Ahead >= 24*60*60 },
			why: func(f *facts) string {
				if f.Ahead == nil {
					return ""
				}
				return fmt.Sprintf("it is %d seconds more", *f.Ahead)
			},
			hint: "The option takes a duration, and the clocks inside are ahead by it. " +
				"A day has 24 hours.",
			then: elsewhere,
		},
	}},
	{"join", "setns", []check{
		{
			text:  "a process that join started",
			holds: func(f *facts) bool { return f.Step != nil && f.Step.Name == "join" },
			hint: "It has to be entered from outside, by the program of this chapter. That " +
				"needs a PID: the host's number of any process in there.",
			then: entered,
		},
		{
			text: "a PID namespace in which another process is PID 1", fact: "others",
			holds: func(f *facts) bool {
				return f.own("pid") && f.Init != 0 && f.Init != f.PID
			},
			hint: "Its PID namespace isn't that of a container. Without a letter for a " +
				"namespace, the program enters all of them.",
			then: entered,
		},
		{
			text: "all other namespaces of that PID 1", fact: "apart",
			holds: func(f *facts) bool { return f.Apart != nil && len(*f.Apart) == 0 },
			why: func(f *facts) string {
				if f.Apart == nil {
					return ""
				}
				return "not " + strings.ToUpper(strings.Join(*f.Apart, " "))
			},
			hint: "It is in a part of the container only. Without a letter for a " +
				"namespace, the program enters all of them.",
			then: entered,
		},
	}},
	{"container", "the right order", containerChecks()},
}

var overlaid = command{"step10-overlay", "-pmor img bash --norc"}

var furnished = command{"step9-dev", "-pmdr img bash --norc"}

// ownRoot is the check for a root directory that an option of a step took.
func ownRoot(then command) check {
	return check{
		text: "a root directory that isn't the host's", fact: "root",
		holds: func(f *facts) bool { return f.Root != "" && !f.HostRoot },
		hint: "The process has the host's root directory. An option of " + then.program +
			" takes another one.",
		then: then,
	}
}

// ownMount is the check for a mount that the host doesn't have. The type "" is any type.
func ownMount(text, point, kind string, then command, hint string) check {
	return check{
		text: text, fact: "mounts",
		holds: func(f *facts) bool {
			return f.own("mnt") && slices.ContainsFunc(f.addedMounts(), func(m mount) bool {
				return m.Point == point && (kind == "" || m.Type == kind)
			})
		},
		hint: hint, then: then,
	}
}

var (
	pivoted = command{"step8-pivot", "-pmr img bash --norc"}
	entered = command{"join", "-t PID bash --norc"}
)

var jailed = command{"step6-chroot", "-pmnu box -i yes -c jail bash --norc"}

// own is the check for a namespace of its own.
func own(kind string, then command) check {
	return check{
		text:  fmt.Sprintf("%s namespace of its own", article(strings.ToUpper(kind))),
		holds: func(f *facts) bool { return f.own(kind) },
		hint: fmt.Sprintf("The process is in the host's %s namespace. An option of %s "+
			"makes a new one: %[2]s --help lists the options.",
			strings.ToUpper(kind), then.program),
		then: then,
	}
}

// hasLimit is the check for a limit of the process's cgroup.
func hasLimit(controller, text string, then command) check {
	return check{
		text: text, fact: "limits",
		holds: func(f *facts) bool { return f.own("cgroup") && f.Limits[controller] != "" },
		hint: fmt.Sprintf("The file of a limit is named after its controller, here %s. "+
			"The option may stand several times.", controller),
		then: then,
	}
}

func article(kind string) string {
	if kind == "IPC" {
		return "an " + kind
	}
	return "a " + kind
}

// properProc is the check for a /proc by which ps(1) tells the truth.
func properProc(then command) check {
	return check{
		text: "a /proc that is of its own PID namespace", fact: "proc",
		holds: func(f *facts) bool { return f.own("pid") && f.Proc == procOwn },
		why: func(f *facts) string {
			return map[string]string{
				procHost:  "it is the host's",
				procOther: "it is of another one", procNone: "there is none",
			}[f.Proc]
		},
		hint: "ps reads /proc, and a proc shows the PID namespace of the process that " +
			"mounted it. Mount a new one from inside.",
		then: then,
	}
}

// missing returns which of the five namespaces aren't its own.
func (f *facts) missing() (kinds []string) {
	for _, kind := range []string{"pid", "mnt", "uts", "net", "ipc"} {
		if !f.own(kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// addedMounts returns those of its own that aren't its /proc.
func (f *facts) addedMounts() (mounts []mount) {
	if f.Mounts == nil {
		return nil
	}
	for _, m := range f.Mounts.Own {
		if m.Point != "/proc" || m.Type != "proc" {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

func (f *facts) loUp() bool {
	for _, l := range f.Links {
		if l.Name == "lo" && l.Up {
			return true
		}
	}
	return false
}

// find returns the goal of a step (see nsteps.Find).
func find(word string) (*goal, error) {
	step, err := nsteps.Find(word)
	if err != nil {
		return nil, err
	}
	for i := range goals {
		if goals[i].step == step.Name {
			return &goals[i], nil
		}
	}
	return nil, fmt.Errorf("no exercise for %s", step.Name)
}

// label is the shortest name of the step, the number of its chapter mostly.
func (g *goal) label() string {
	step, err := nsteps.Find(g.step)
	if err != nil {
		return g.step
	}
	return step.Label()
}

// verify is the command that looks at a process.
func (g *goal) verify(pid int) command {
	return command{"workshop", fmt.Sprintf("verify %s %d", g.label(), pid)}
}

// What became of a check.
const (
	met     = "met"
	unmet   = "not met"
	unknown = "unknown"
)

// A verdict is what becomes of a goal.
type verdict struct {
	Result string   `json:"result"`
	Checks []result `json:"checks"`
	hint   string
	then   command
}

type result struct {
	Text   string `json:"text"`
	Result string `json:"result"`
}

// judge looks for what there is to do. The hint is for the first check that isn't met.
func (g *goal) judge(f *facts) (v verdict) {
	v.Result = met
	for _, c := range g.checks {
		r := result{c.text, unmet}
		switch {
		case c.holds(f):
			r.Result = met
		case c.fact != "" && f.Unknown[c.fact] != "":
			r.Result = unknown
		case c.why != nil && c.why(f) != "":
			r.Text += ": " + c.why(f)
		}
		if r.Result == unmet && v.Result != unmet {
			v.hint, v.then = c.hint, c.then
			if c.thenFor != nil {
				v.then = c.thenFor(f)
			}
		}
		if r.Result == unmet || v.Result == met {
			v.Result = r.Result
		}
		v.Checks = append(v.Checks, r)
	}
	if v.Result == unmet && f.Child != 0 {
		v.hint = fmt.Sprintf("This is the parent, which stays outside. Its child is "+
			"process %d.", f.Child)
		v.then = g.verify(f.Child)
	}
	isOther := f.own("pid") && f.Inside != 1 && f.Init != 0
	if v.Result == unmet && g.step == "step1-pid" && isOther {
		v.then = g.verify(f.Init)
	}
	return v
}
