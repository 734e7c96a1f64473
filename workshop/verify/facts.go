//go:build linux

package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
	"nsteps/workshop/procs"
)

// facts are what the kernel says of a process and of its host: that is the parent of the
// step that started it, or this program if no step did.
type facts struct {
	PID        int                  `json:"pid"`     // as this /proc numbers it
	Inside     int                  `json:"inside"`  // as its own PID namespace does
	Command    string               `json:"command"` // proc_pid_comm(5)
	Step       *step                `json:"step"`    // that started it
	Child      int                  `json:"child"`   // of a process that is a step; or 0
	Namespaces map[string]namespace `json:"namespaces"`
	Init       int                  `json:"init"`   // PID 1 in there, 0 if hidden
	Others     int                  `json:"others"` // processes in its own PID namespace
	Apart      *[]string            `json:"apart"`  // kinds that it doesn't share with it
	Root       string               `json:"root"`   // directory
	HostRoot   bool                 `json:"host_root"`
	Above      string               `json:"above"`  // directory above its root; or ""
	Null       bool                 `json:"null"`   // its /dev/null is that device
	Proc       string               `json:"proc"`   // of which PID namespace its /proc is
	Mounts     *comparison          `json:"mounts"` // in its own MNT namespace
	Hostname   string               `json:"hostname"`
	HostName   string               `json:"host_hostname"`
	Links      []link               `json:"links"`  // in its own NET namespace
	Routed     bool                 `json:"routed"` // with a default route there
	Queues     *queues              `json:"queues"` // in its own IPC namespace
	Identity   *identity            `json:"identity"`
	Limits     map[string]string    `json:"limits"` // of its cgroup, by controller
	Privileges *privileges          `json:"privileges"`
	Ahead      *int                 `json:"ahead"`   // seconds more since the boot
	Unknown    map[string]string    `json:"unknown"` // errors, by the names above
	userns     bool                 // its user namespace isn't this program's
	gateway    string               // the other end of its cable; or ""
}

type step struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

type namespace struct {
	Inode uint64 `json:"inode"`
	Own   bool   `json:"own"`
}

type link struct {
	Name string `json:"name"`
	Up   bool   `json:"up"`
}

type queues struct {
	SystemV int      `json:"system_v"`
	POSIX   []string `json:"posix"`
}

// What the /proc is of that a process sees.
const (
	procOwn   = "own"   // of the PID namespace of the process
	procHost  = "host"  // of the host's
	procOther = "other" // of another one
	procNone  = "none"  // there is none
)

var (
	errKernel    = errors.New("it is a thread of the kernel, which no step starts")
	errMeanwhile = errors.New("it has ended meanwhile")
)

// gather looks at a process. What may not be looked at is in Unknown; its error is of
// one that can't be looked at at all.
func gather(all procs.All, self, pid int) (*facts, error) {
	p, ok := all[pid]
	switch {
	case !ok:
		return nil, linux.Failed("look at process", strconv.Itoa(pid), unix.ESRCH)
	case p.Zombie:
		return nil, linux.Failed("look at process", strconv.Itoa(pid), procs.ErrEnded)
	case p.Ending:
		return nil, linux.Failed("look at process", strconv.Itoa(pid), errMeanwhile)
	case p.Kernel:
		object := fmt.Sprintf("%d, %s", pid, p.Command)
		return nil, linux.Failed("look at process", object, errKernel)
	}
	f, err := read(all, self, p)
	// All that was read is of one process if that still is the same.
	if now, ok := linux.Stat(pid); !ok || now.Start != p.Start || now.Ending {
		return nil, linux.Failed("look at process", strconv.Itoa(pid), errMeanwhile)
	}
	return f, err
}

func read(all procs.All, self int, p linux.Process) (*facts, error) {
	me, err := procs.Inspect(self)
	if err != nil {
		return nil, err
	}
	process, err := procs.Inspect(p.PID)
	if err != nil {
		return nil, err
	}
	f := &facts{
		PID: p.PID, Inside: process.Inside, Command: process.Command,
		Namespaces: map[string]namespace{}, Unknown: map[string]string{},
		userns: process.Namespaces["user"] != me.Namespaces["user"],
	}
	host := f.relatives(all, p, me)
	for kind, inode := range process.Namespaces {
		f.Namespaces[kind] = namespace{inode, inode != host.Namespaces[kind]}
	}
	if f.own("pid") {
		f.note("others", f.population(all, self))
	}
	if f.own("net") {
		f.note("routed", f.routes())
	}
	f.note("apart", f.apart())
	f.note("identity", f.identity())
	f.note("limits", f.limits())
	f.note("privileges", f.privileges())
	f.note("clocks", f.clocks())
	f.note("root", f.root(host.PID))
	f.note("null", f.null())
	f.note("proc", f.proc(host.PID))
	if f.own("mnt") {
		f.note("mounts", f.mounts(host.PID))
	}
	f.inside(process, host, me)
	return f, nil
}

// note keeps why a fact is unknown.
func (f *facts) note(fact string, err error) {
	if err != nil {
		f.Unknown[fact] = err.Error()
	}
}

// relatives notes the step that started a process, and the child of a process that is a
// step. It returns the host: the parent of that step, or this program.
func (f *facts) relatives(all procs.All, p linux.Process,
	me *procs.Details,
) (host *procs.Details) {
	if procs.IsStep(p) {
		f.Child = all.Newest(func(q linux.Process) bool { return q.Parent == p.PID })
	}
	parent, ok := all.Step(p.PID)
	if !ok {
		return me
	}
	f.Step = &step{parent.PID, parent.Command}
	if host, err := procs.Inspect(parent.PID); err == nil {
		return host
	}
	return me
}

// inside notes what can only be seen from inside a namespace, and the host's hostname.
func (f *facts) inside(process, host, me *procs.Details) {
	look := func(fact, kind string, p *procs.Details) inside {
		seen, err := ask(kind, p, me)
		if err == nil && seen.Error != "" {
			err = errors.New(seen.Error)
		}
		f.note(fact, err)
		return seen
	}
	f.Hostname = look("hostname", "uts", process).Hostname
	f.HostName = f.Hostname
	if f.own("uts") {
		f.HostName = look("hostname", "uts", host).Hostname
	}
	if f.own("net") {
		f.Links = look("links", "net", process).Links
	}
	if f.own("ipc") {
		f.Queues = look("queues", "ipc", process).Queues
	}
}

func (f *facts) own(kind string) bool { return f.Namespaces[kind].Own }

// population counts the other processes of the PID namespace, without this one, which
// only looks. Of those that may not be looked at, the ones that the process started may
// be in it.
func (f *facts) population(all procs.All, self int) (hidden error) {
	if f.Inside == 1 {
		f.Init = f.PID
	}
	for pid, p := range all {
		if pid == f.PID || pid == self || p.Zombie || p.Kernel {
			continue
		}
		inode, err := linux.Namespace(pid, "pid")
		switch {
		case errors.Is(err, unix.EACCES) && all.Below(pid, f.PID):
			hidden = procs.Explain(pid, err)
		case err != nil || inode != f.Namespaces["pid"].Inode:
		default:
			f.Others++
			if d, err := procs.Inspect(pid); err == nil && d.Inside == 1 {
				f.Init = pid
			}
		}
	}
	return hidden
}

// apart notes the kinds of namespaces that the process and PID 1 of its PID namespace
// don't share.
func (f *facts) apart() error {
	if f.Init == 0 {
		return nil
	}
	first, err := procs.Inspect(f.Init)
	if err != nil {
		return err
	}
	f.Apart = &[]string{}
	for _, kind := range linux.Kinds {
		if f.Namespaces[kind.File].Inode != first.Namespaces[kind.File] {
			*f.Apart = append(*f.Apart, kind.File)
		}
	}
	return nil
}

func file(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

func (f *facts) root(host int) (err error) {
	var its, hosts unix.Stat_t
	if f.Root, err = os.Readlink(file(f.PID, "root")); err != nil {
		return err
	}
	if err := unix.Stat(file(f.PID, "root/"), &its); err != nil {
		return linux.Failed("stat", file(f.PID, "root"), err)
	}
	if err := unix.Stat(file(host, "root/"), &hosts); err != nil {
		return linux.Failed("stat", file(host, "root"), err)
	}
	f.HostRoot = its.Dev == hosts.Dev && its.Ino == hosts.Ino
	return f.above(&its)
}

// above looks for a directory above the root directory of a process. For the process ".."
// stops there, but for this program only at the top of the mounts.
func (f *facts) above(root *unix.Stat_t) error {
	name := file(f.PID, "root/..")
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return linux.Failed("open", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return linux.Failed("stat", name, err)
	}
	if st.Dev != root.Dev || st.Ino != root.Ino {
		f.Above, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	}
	return err
}

// proc finds out of which PID namespace the /proc is that the process sees. PID 1 in
// there is PID 1 of that namespace.
func (f *facts) proc(host int) error {
	name := file(f.PID, "root/proc")
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	dir, err := unix.Open(name, flags, 0)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		f.Proc = procNone
		return nil
	}
	if err != nil {
		return linux.Failed("open", name, err)
	}
	defer unix.Close(dir)
	var system unix.Statfs_t
	var st, hostSt unix.Stat_t
	if err := errors.Join(unix.Fstatfs(dir, &system), unix.Fstat(dir, &st)); err != nil {
		return linux.Failed("stat", name, err)
	}
	same := unix.Stat(file(host, "root/proc/"), &hostSt) == nil && st.Dev == hostSt.Dev
	target := make([]byte, 64)
	n, err := unix.Readlinkat(dir, "1/ns/pid", target)
	own := fmt.Sprintf("pid:[%d]", f.Namespaces["pid"].Inode)
	switch {
	case system.Type != unix.PROC_SUPER_MAGIC:
		f.Proc = procNone
	case same && !f.own("pid"):
		f.Proc = procHost
	case err == nil && string(target[:n]) == own:
		f.Proc = procOwn
	case same: // whose PID 1 only root may look at
		f.Proc = procHost
	case err == nil || err == unix.ENOENT: // its PID 1 has ended
		f.Proc = procOther
	default:
		return linux.Failed("readlink", name+"/1/ns/pid", err)
	}
	return nil
}

func (f *facts) mounts(host int) error {
	its, err := os.ReadFile(file(f.PID, "mountinfo"))
	if err != nil {
		return err
	}
	hosts, err := os.ReadFile(file(host, "mountinfo"))
	if err != nil {
		return err
	}
	root := "/"
	if !f.HostRoot && f.Root != "" {
		root = f.Root
	}
	f.Mounts = compare(linux.ParseMounts(string(its)),
		linux.ParseMounts(string(hosts)), root)
	return nil
}

// denied reports whether an error says that somebody else may.
func denied(err error) bool { return errors.Is(err, fs.ErrPermission) }
