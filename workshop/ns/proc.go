//go:build linux

package ns

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/workshop/procs"
)

// kinds are the namespaces by their files in /proc/PID/ns, in the order in which they
// are shown: namespaces(7).
var kinds = []string{"pid", "mnt", "uts", "net", "ipc", "user", "cgroup", "time"}

// A process is one of those that are shown.
type process struct {
	PID        int               `json:"pid"`     // as this /proc numbers it
	Inside     int               `json:"inside"`  // as its own PID namespace does
	Command    string            `json:"command"` // proc_pid_comm(5)
	Namespaces map[string]uint64 `json:"namespaces"`
}

var errEnded = errors.New("it has ended, and its parent has not waited for it yet")

// inspect returns what there is to know of a process.
func inspect(pid int) (*process, error) {
	p := &process{PID: pid, Namespaces: map[string]uint64{}}
	dir := "/proc/" + strconv.Itoa(pid)
	for _, kind := range kinds {
		inode, err := namespace(dir + "/ns/" + kind)
		switch {
		case err == nil:
			p.Namespaces[kind] = inode
		case errors.Is(err, unix.ENOENT) && !supported(kind): // by this kernel
		default:
			return nil, explain(pid, err)
		}
	}
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil {
		return nil, explain(pid, err)
	}
	p.Command = strings.TrimSuffix(string(comm), "\n")
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return nil, explain(pid, err)
	}
	// NSpid has a number for each namespace that the process is in, the innermost last.
	if numbers := strings.Fields(field(string(status), "NSpid:")); len(numbers) > 0 {
		p.Inside, _ = strconv.Atoi(numbers[len(numbers)-1])
	}
	return p, nil
}

func supported(kind string) bool {
	_, err := os.Lstat("/proc/self/ns/" + kind)
	return err == nil
}

// namespace returns the inode number in a link of /proc/PID/ns.
func namespace(file string) (uint64, error) {
	target, err := os.Readlink(file)
	if err != nil {
		return 0, err
	}
	return parseLink(target)
}

// parseLink returns the number in "pid:[4026531836]".
func parseLink(target string) (uint64, error) {
	_, number, found := strings.Cut(target, ":[")
	inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	if !found || err != nil || !strings.HasSuffix(target, "]") {
		return 0, fmt.Errorf("%q is no namespace", target)
	}
	return inode, nil
}

// field returns the value of a line "name value" of /proc/PID/status.
func field(status, name string) string {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// explain makes an error about a file in /proc/PID one about the process.
func explain(pid int, err error) error {
	dir := "/proc/" + strconv.Itoa(pid)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	info, gone := os.Stat(dir)
	object := strconv.Itoa(pid)
	switch {
	case gone != nil || err == unix.ESRCH:
		err = unix.ESRCH
	case err == unix.ENOENT:
		err = errEnded
	case err == unix.EACCES:
		object += ", of " + owner(info)
	}
	return common.Failed("look at process", object, err)
}

// owner returns the name of a file's owner, or the number if it has none.
func owner(info fs.FileInfo) string {
	uid := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid))
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "user " + uid
}

// becomes another user, and isn't the shell that a person typed it in.
var becomes = regexp.MustCompile(`^(sudo|su|doas|runuser|setpriv)$`)

// caller returns the shell that called a process.
func caller(all procs.All, pid int) int {
	pid = all[pid].Parent
	for range all {
		_, ok := all[all[pid].Parent]
		if !ok || !becomes.MatchString(all[pid].Command) {
			break
		}
		pid = all[pid].Parent
	}
	return pid
}

// choose returns the processes to be shown when none is asked for: the caller, and those
// with a namespace that the caller hasn't, if a step started them or they have a
// controlling terminal. Others are services of the system. Hidden is how many of a step's
// processes may not be looked at.
func choose() (shown []*process, hidden int, err error) {
	all, self, err := procs.Read()
	if err != nil {
		return nil, 0, err
	}
	// The caller may be another user's, as after su, or outside of this PID namespace.
	shell, err := inspect(caller(all, self))
	if err != nil {
		if shell, err = inspect(self); err != nil {
			return nil, 0, err
		}
	}
	shown = []*process{shell}
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		ofStep := all.ByStep(pid)
		if pid == self || pid == shell.PID || !ofStep && !all[pid].Terminal {
			continue
		}
		p, err := inspect(pid)
		switch {
		case err == nil && !maps.Equal(p.Namespaces, shell.Namespaces):
			shown = append(shown, p)
		case ofStep && errors.Is(err, unix.EACCES):
			hidden++
		}
	}
	return shown, hidden, nil
}
