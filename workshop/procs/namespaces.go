//go:build linux

package procs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nsteps/common"
)

// Kinds are the namespaces by their files in /proc/PID/ns, in the order in which they
// are shown: namespaces(7).
var Kinds = []string{"pid", "mnt", "uts", "net", "ipc", "user", "cgroup", "time"}

// Details are what there is to know of a process for those who may look at it.
type Details struct {
	PID        int               `json:"pid"`     // as this /proc numbers it
	Inside     int               `json:"inside"`  // as its own PID namespace does
	Command    string            `json:"command"` // proc_pid_comm(5)
	Namespaces map[string]uint64 `json:"namespaces"`
}

// ErrEnded is of a process that is a zombie.
var ErrEnded = errors.New("it has ended, and its parent has not waited for it yet")

// Inspect returns what there is to know of a process.
func Inspect(pid int) (*Details, error) {
	p := &Details{PID: pid, Namespaces: map[string]uint64{}}
	dir := "/proc/" + strconv.Itoa(pid)
	for _, kind := range Kinds {
		inode, err := Namespace(pid, kind)
		switch {
		case err == nil:
			p.Namespaces[kind] = inode
		case errors.Is(err, unix.ENOENT) && !supported(kind): // by this kernel
		default:
			return nil, Explain(pid, err)
		}
	}
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil {
		return nil, Explain(pid, err)
	}
	p.Command = strings.TrimSuffix(string(comm), "\n")
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return nil, Explain(pid, err)
	}
	// NSpid has a number for each namespace that the process is in, the innermost last.
	if numbers := strings.Fields(Field(string(status), "NSpid:")); len(numbers) > 0 {
		p.Inside, _ = strconv.Atoi(numbers[len(numbers)-1])
	}
	return p, nil
}

func supported(kind string) bool {
	_, err := os.Lstat("/proc/self/ns/" + kind)
	return err == nil
}

// Namespace returns the inode number of a process's namespace.
func Namespace(pid int, kind string) (uint64, error) {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
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

// Field returns the value of a line "name value" of /proc/PID/status.
func Field(status, name string) string {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Explain makes an error about a file in /proc/PID one about the process.
func Explain(pid int, err error) error {
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
		err = ErrEnded
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
