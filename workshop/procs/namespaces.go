//go:build linux

package procs

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// Details are what there is to know of a process for those who may look at it.
type Details struct {
	PID        int               `json:"pid"`     // as this /proc numbers it
	Inside     int               `json:"inside"`  // as its own PID namespace does
	Command    string            `json:"command"` // proc_pid_comm(5)
	Namespaces map[string]uint64 `json:"namespaces"`
}

// ErrEnded is of a process that is a zombie.
var ErrEnded = errors.New(
	"it is a zombie: it has exited, but its parent has not collected its status")

// Inspect returns what there is to know of a process.
func Inspect(pid int) (*Details, error) {
	p := &Details{PID: pid, Namespaces: map[string]uint64{}}
	dir := "/proc/" + strconv.Itoa(pid)
	for _, kind := range linux.Kinds {
		inode, err := linux.Namespace(pid, kind.File)
		switch {
		case err == nil:
			p.Namespaces[kind.File] = inode
		case errors.Is(err, unix.ENOENT) && !kind.Supported():
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
	if numbers := strings.Fields(linux.Field(status, "NSpid:")); len(numbers) > 0 {
		p.Inside, _ = strconv.Atoi(numbers[len(numbers)-1])
	}
	return p, nil
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
	case gone != nil || errors.Is(err, unix.ESRCH):
		err = unix.ESRCH
	case errors.Is(err, unix.ENOENT):
		err = ErrEnded
	case errors.Is(err, unix.EACCES):
		object += ", of " + owner(info)
	}
	return linux.Failed("look at process", object, err)
}

// owner returns the name of a file's owner, or the number if it has none.
func owner(info fs.FileInfo) string {
	uid := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid))
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "user " + uid
}
