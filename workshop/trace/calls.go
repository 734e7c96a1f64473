//go:build linux

package trace

import (
	"regexp"
	"slices"
	"strings"
)

// traced are the calls that strace is asked for. A machine may lack those with a "?", and
// a strace may not know them yet.
const traced = "clone,?clone3,?fork,?vfork,execve,unshare,setns,?pidfd_open," +
	"mount,umount2,pivot_root,chroot,?mount_setattr," +
	"?fsopen,?fspick,?fsconfig,?fsmount,?move_mount,?open_tree," +
	"sethostname,setdomainname,mq_open,prctl,capset,seccomp,write"

// described are the calls that are shown, with what is said of their arguments. An empty
// text means that the call isn't shown.
var described = map[string]func(args []string) string{
	"unshare":       func(a []string) string { return "unshare " + a[0] },
	"setns":         setns,
	"pidfd_open":    func(a []string) string { return "pidfd_open " + a[0] },
	"mount":         mount,
	"umount2":       func(a []string) string { return "umount2 " + words(a) },
	"pivot_root":    func(a []string) string { return "pivot_root " + words(a) },
	"chroot":        func(a []string) string { return "chroot " + words(a) },
	"mount_setattr": mountSetattr,
	"fsopen":        func(a []string) string { return "fsopen " + word(a[0]) },
	"fspick":        func(a []string) string { return "fspick " + path(a) },
	"fsconfig":      fsconfig,
	"fsmount":       func(a []string) string { return "fsmount " + flags(a[2]) },
	"move_mount":    func(a []string) string { return "move_mount on " + path(a[2:]) },
	"open_tree":     func(a []string) string { return "open_tree " + path(a) },
	"sethostname":   func(a []string) string { return "sethostname " + word(a[0]) },
	"setdomainname": func(a []string) string { return "setdomainname " + word(a[0]) },
	"mq_open":       func(a []string) string { return "mq_open " + words(a[:2]) },
	"prctl":         prctl,
	"capset":        func([]string) string { return "capset" },
	"seccomp":       seccomp,
	"write":         write,
}

// describe returns what is shown of a call, "" if it isn't one that the chapters teach.
func describe(c call) (text string) {
	// Another version of strace may print fewer arguments than are taken here.
	defer func() {
		if recover() != nil {
			text = strings.TrimSpace(c.name+" "+words(c.args)) + failure(c.result)
		}
	}()
	to := described[c.name]
	if to == nil {
		return ""
	}
	args := make([]string, len(c.args))
	for i, arg := range c.args {
		args[i] = comment.ReplaceAllString(arg, "")
	}
	if text = strings.TrimSpace(to(args)); text == "" {
		return ""
	}
	return text + failure(c.result)
}

var (
	comment  = regexp.MustCompile(` /\* .*? \*/`)
	file     = regexp.MustCompile(`^(?:\d+|AT_FDCWD)<(.*)>$`)
	refusal  = regexp.MustCompile(`^-1 (E\w+) \((.)(.*)\)`)
	newSpace = regexp.MustCompile(`CLONE_(?:NEW\w+|INTO_CGROUP)`)
)

// failure returns the errno of a call that failed, to stand behind the call, such as
// ": EPERM (operation not permitted)", and "" for a call that didn't fail.
func failure(result string) string {
	m := refusal.FindStringSubmatch(result)
	if m == nil {
		return ""
	}
	return ": " + m[1] + " (" + strings.ToLower(m[2]) + m[3] + ")"
}

// word returns a string without its quotes, where they aren't needed, and the file that a
// descriptor is of.
func word(arg string) string {
	if m := file.FindStringSubmatch(arg); m != nil {
		return m[1]
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(arg, `"`), `"`)
	if len(inner)+2 == len(arg) && inner != "" && !strings.ContainsAny(inner, ` \`) {
		return inner
	}
	return arg
}

// words returns arguments, without those that say nothing.
func words(args []string) string {
	var found []string
	for _, arg := range args {
		if said := flags(word(arg)); said != "" {
			found = append(found, said)
		}
	}
	return strings.Join(found, " ")
}

// flags returns flags without those that say only that execve(2) closes a descriptor, and
// "" for none, for no string and for an address.
func flags(arg string) string {
	if arg == "0" || arg == "NULL" || strings.HasPrefix(arg, "0x") {
		return ""
	}
	kept := slices.DeleteFunc(strings.Split(arg, "|"), func(flag string) bool {
		return strings.HasSuffix(flag, "_CLOEXEC")
	})
	return strings.Join(kept, "|")
}

// path returns the file that a descriptor and a path name together, as in openat(2).
func path(args []string) string {
	if args[1] == `""` || args[1] == "NULL" {
		return word(args[0])
	}
	return word(args[1])
}

func setns(args []string) string {
	of := strings.TrimPrefix(word(args[0]), "pid:")
	if strings.HasPrefix(of, "[") { // pid:[4026531836] is a namespace, pid:12 a process
		of = "pid:" + of
	}
	if args[1] == "0" {
		return "setns " + of
	}
	return "setns " + args[1] + " of " + of
}

// mount says less than mount(2) takes: with some flags it ignores arguments.
func mount(args []string) string {
	source, target, kind := word(args[0]), word(args[1]), word(args[2])
	set := strings.Split(args[3], "|")
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return slices.Contains(set, name)
		})
	}
	data := ""
	switch {
	case has("MS_BIND", "MS_MOVE") && !has("MS_REMOUNT"):
		target = source + " on " + target
	case has("MS_REMOUNT", "MS_PRIVATE", "MS_SLAVE", "MS_SHARED", "MS_UNBINDABLE"):
	default:
		data = flags(word(args[4]))
		if source != kind && source != "none" && source != `""` {
			kind += " " + source
		}
		target = kind + " on " + target
	}
	return strings.Join(strings.Fields("mount "+target+" "+flags(args[3])+" "+data), " ")
}

var changed = regexp.MustCompile(`attr_(?:set|clr)=MOUNT_ATTR_\w+(?:\|\w+)*|` +
	`propagation=MS_\w+`)

func mountSetattr(args []string) string {
	return "mount_setattr " + path(args) + " " +
		strings.Join(changed.FindAllString(args[3], -1), " ")
}

func fsconfig(args []string) string { return "fsconfig " + words(args[1:4]) }

// prctl leaves out which capability is meant, because a program goes through all of them:
// a tracker shows equal lines once.
func prctl(args []string) string {
	switch args[0] {
	case "PR_CAP_AMBIENT":
		return "prctl " + args[1]
	case "PR_CAPBSET_DROP", "PR_SET_NO_NEW_PRIVS", "PR_SET_SECCOMP":
		return "prctl " + args[0]
	}
	return ""
}

func seccomp(args []string) string {
	if !strings.HasPrefix(args[0], "SECCOMP_SET_MODE_") {
		return ""
	}
	return "seccomp " + args[0]
}

// settings are the files in /proc and of cgroups that belong to a namespace.
var settings = regexp.MustCompile(`^/proc/.*/(?:[ug]id_map|setgroups|timens_offsets)$|` +
	`^/sys/fs/cgroup/`)

func write(args []string) string {
	if name := word(args[0]); settings.MatchString(name) {
		return "write " + name + " " + word(args[1])
	}
	return ""
}
