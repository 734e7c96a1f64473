//go:build linux

package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/workshop/procs"
)

// inside is what can only be seen from inside a namespace: of UTS the hostname, of NET
// the links, of IPC the queues.
type inside struct {
	Hostname string  `json:"hostname"`
	Links    []link  `json:"links"`
	Queues   *queues `json:"queues"`
	Error    string  `json:"error"` // of what was to be seen
}

// child is the side of ask that has entered the namespace.
func child(kind string) (seen inside, err error) {
	switch kind {
	case "uts":
		seen.Hostname, err = os.Hostname()
	case "net":
		var links []net.Interface
		links, err = net.Interfaces()
		seen.Links = []link{}
		for _, l := range links {
			seen.Links = append(seen.Links, link{l.Name, l.Flags&net.FlagUp != 0})
		}
	case "ipc":
		seen.Queues = &queues{POSIX: []string{}}
		if seen.Queues.SystemV, err = systemV(); err == nil {
			seen.Queues.POSIX, err = posix()
		}
	default:
		return seen, &cmdline.UsageError{Err: fmt.Errorf("no such probe: %s", kind)}
	}
	if err != nil {
		seen.Error = err.Error()
	}
	return seen, nil
}

// systemV returns how many queues there are. The file has those of whoever opens it: a
// line each, and a headline, sysvipc(7).
func systemV() (int, error) {
	const file = "/proc/sysvipc/msg"
	text, err := os.ReadFile(file)
	if errors.Is(err, unix.ENOENT) { // a kernel without them
		return 0, nil
	}
	return max(0, strings.Count(string(text), "\n")-1), err
}

// posix returns the names of the queues: the files of a message queue file system,
// mq_overview(7), which is mounted nowhere and ends with this process.
func posix() (names []string, err error) {
	const what = "mqueue to look at it"
	context, err := unix.Fsopen("mqueue", unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) { // a kernel without them
		return nil, nil
	}
	if err != nil {
		return nil, linux.Failed("mount", what, err)
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return nil, linux.Failed("mount", what, err)
	}
	mount, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, linux.Failed("mount", what, err)
	}
	dir, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, linux.Failed("open", "mqueue", err)
	}
	files, err := os.NewFile(uintptr(dir), "mqueue").Readdirnames(-1)
	for _, file := range files {
		names = append(names, "/"+file)
	}
	slices.Sort(names)
	return names, err
}

// ask starts this program again in a namespace of a process, and returns what it sees.
func ask(kind string, p, self *procs.Details) (seen inside, err error) {
	if kind != "ipc" && p.Namespaces[kind] == self.Namespaces[kind] {
		return child(kind)
	}
	object := fmt.Sprintf("%s:[%d] of process %d", kind, p.Namespaces[kind], p.PID)
	var again linux.Reexec
	if kind == "ipc" {
		// A mount needs a MNT namespace that this USER namespace owns.
		again.Unshare = unix.CLONE_NEWNS
	}
	for _, kind := range toEnter(kind, p, self) {
		fd, err := linux.OpenNamespace(p.PID, kind)
		if err != nil {
			return seen, linux.Failed("open", object, err)
		}
		defer unix.Close(fd)
		again.Enter = append(again.Enter, fd)
	}
	if again.Stdout, err = unix.MemfdCreate("verify", unix.MFD_CLOEXEC); err != nil {
		return seen, linux.Failed("memfd_create", "for the answer", err)
	}
	answer := os.NewFile(uintptr(again.Stdout), "answer")
	defer answer.Close()
	switch _, operation, err := again.Run("verify", "--probe", kind); {
	case operation == "setns" || operation == "unshare":
		return seen, linux.Failed("enter", object, err)
	case err != nil && operation == "execve":
		return seen, linux.Failed("re-execute", "/proc/self/exe", err)
	case err != nil:
		return seen, linux.Failed(operation, "child", err)
	}
	answers := json.NewDecoder(io.NewSectionReader(answer, 0, 1<<20))
	if err := answers.Decode(&seen); err != nil {
		return seen, linux.Failed("look at", object, errors.New("no answer"))
	}
	return seen, nil
}

// toEnter returns which namespaces of a process have to be entered to look into one of
// them. A user who isn't root here is root in a USER namespace below this one that he
// made (see user_namespaces(7)), so that comes first.
func toEnter(kind string, p, self *procs.Details) (kinds []string) {
	if !linux.HasSysAdmin() {
		kinds = []string{"user"}
	}
	kinds = append(kinds, kind)
	// For its own, too, setns(2) would need a privilege.
	return slices.DeleteFunc(kinds, func(kind string) bool {
		return p.Namespaces[kind] == self.Namespaces[kind]
	})
}
