//go:build linux

package linux

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Kind is a kind of namespace: its flag for clone(2), that flag's name, and its file in
// /proc/PID/ns.
type Kind struct {
	Flag       uintptr
	Name, File string
}

// Kinds are all kinds of namespaces (see namespaces(7)). The USER namespace is first, and
// has to stay there: whoever enters several gets the privilege for the others from it.
var Kinds = []Kind{
	{unix.CLONE_NEWUSER, "CLONE_NEWUSER", "user"},
	{unix.CLONE_NEWPID, "CLONE_NEWPID", "pid"},
	{unix.CLONE_NEWNS, "CLONE_NEWNS", "mnt"},
	{unix.CLONE_NEWUTS, "CLONE_NEWUTS", "uts"},
	{unix.CLONE_NEWNET, "CLONE_NEWNET", "net"},
	{unix.CLONE_NEWIPC, "CLONE_NEWIPC", "ipc"},
	{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP", "cgroup"},
	{unix.CLONE_NEWTIME, "CLONE_NEWTIME", "time"},
}

// Supported reports whether this kernel has such namespaces.
func (k Kind) Supported() bool {
	_, err := os.Lstat("/proc/self/ns/" + k.File)
	return err == nil
}

// FlagNames returns the names of CLONE_NEW flags, for example "CLONE_NEWPID|CLONE_NEWNS".
func FlagNames(flags uintptr) string {
	var names []string
	for _, k := range Kinds {
		if flags&k.Flag != 0 {
			names = append(names, k.Name)
		}
	}
	return strings.Join(names, "|")
}

// Namespace returns the inode number of a process's namespace, by its file in
// /proc/PID/ns. Its error is an *fs.PathError: ENOENT for a process that is ending.
func Namespace(pid int, file string) (inode uint64, err error) {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, file))
	if err != nil {
		return 0, err
	}
	return parseLink(target)
}

// OpenNamespace opens a process's namespace, for setns(2).
func OpenNamespace(pid int, file string) (fd int, err error) {
	return unix.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, file),
		unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// parseLink returns the number in "pid:[4026531836]".
func parseLink(target string) (uint64, error) {
	_, number, found := strings.Cut(target, ":[")
	inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	if !found || err != nil || !strings.HasSuffix(target, "]") {
		return 0, fmt.Errorf("%q is not a namespace", target)
	}
	return inode, nil
}

// InitialUser is what the link /proc/PID/ns/user says in the initial USER namespace, in
// which root is root of the machine. The number is the kernel's PROC_USER_INIT_INO. A map
// of all IDs to themselves tells less: root may give it to any USER namespace.
const InitialUser = "user:[4026531837]"

// InInitialUser reports whether this process is in the initial USER namespace.
func InInitialUser() bool {
	link, err := os.Readlink("/proc/self/ns/user")
	return err == nil && link == InitialUser
}

// An IDRange is a line of /proc/PID/uid_map or gid_map: Count IDs from Inside on stand
// for the IDs from Outside on (see user_namespaces(7)).
type IDRange struct{ Inside, Outside, Count int }

// ParseIDMap returns the lines of a map of IDs.
func ParseIDMap(text string) (ranges []IDRange) {
	for line := range strings.Lines(text) {
		var r IDRange
		if n, _ := fmt.Sscan(line, &r.Inside, &r.Outside, &r.Count); n == 3 {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// InInitialPID reports whether this process is in the initial PID namespace. The number
// is the kernel's PROC_PID_INIT_INO.
func InInitialPID() bool {
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link == "pid:[4026531836]"
}
