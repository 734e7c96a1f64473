//go:build linux

package cleanup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/binlibdepcp/jail"
	"nsteps/internal/linux"
	"nsteps/workshop/procs"
	"nsteps/workshop/session"
)

// What step5-ipc and those after it make.
const (
	queueName = "/ipc_namespace"
	messages  = 10
	size      = 80 + 1
)

// queue removes the message queue if nobody has it open: a step has, from when it made
// it until it removes it.
func (t *tidier) queue() {
	what := "message queue " + queueName
	err := linux.RemoveQueue(queueName, func(q linux.QueueInfo) error {
		if q.Stat.Uid != uint32(os.Geteuid()) {
			return reason("another user's, of uid " + strconv.Itoa(int(q.Stat.Uid)))
		}
		if q.Messages != messages || q.Size != size {
			return reason(fmt.Sprintf("no step made it: it is for %d messages of %d "+
				"bytes", q.Messages, q.Size))
		}
		all, self, err := procs.Read() // now that no run can begin to use it
		if err != nil {
			return err
		}
		for _, pid := range slices.Sorted(maps.Keys(all)) {
			open, err := hasOpen(pid, q.Stat)
			switch {
			case open && pid != self:
				return inUseBy(all[pid])
			case errors.Is(err, os.ErrPermission) && procs.IsStep(all[pid]):
				return reason("perhaps " + string(inUseBy(all[pid])) +
					", which only root may look at")
			}
		}
		if t.dry {
			return errDry
		}
		return nil
	})
	switch {
	case errors.Is(err, unix.ENOENT):
	case errors.Is(err, unix.ENOSYS): // a kernel without queues
	case errors.Is(err, unix.EACCES):
		t.removed(what, reason("another user's"))
	default:
		t.removed(what, err)
	}
}

// chapters removes what sessions that were killed have left: their directories, and what
// their commands have made in shm, the directory of POSIX shared memory, shm_overview(7).
func (t *tidier) chapters(shm string) {
	playing := false
	for _, dir := range session.TempDirs() {
		playing = t.directories(dir, session.DirPattern) || playing
	}
	for _, file := range linux.OwnFiles(shm, session.DirPattern, 0) {
		switch { // a file has no lock: a command of the shell made it
		case playing:
			t.removed("file "+file, reason("a chapter is being played"))
		case t.dry:
			t.removed("file "+file, errDry)
		default:
			t.removed("file "+file, os.Remove(file))
		}
	}
}

// directories removes this user's temporary directories of a name that no run has locked.
// It reports whether a run has locked any.
func (t *tidier) directories(parent, pattern string) (inUse bool) {
	for _, dir := range linux.OwnFiles(parent, pattern, fs.ModeDir) {
		lock, err := linux.LockDir(dir)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			inUse = true
			continue
		case errors.Is(err, unix.ENOENT):
			continue
		case err != nil:
			err = linux.Failed("lock", dir, err)
		case t.dry:
			err = errDry
		default:
			err = linux.RemoveTree(dir)
		}
		lock.Close()
		t.removed("directory "+dir, err)
	}
	return inUse
}

// cgroups removes those of this user's runs of step12-cgroup that were killed, with the
// processes in them. A run keeps its cgroups locked.
func (t *tidier) cgroups() {
	for _, dir := range linux.LeftCgroups() {
		info, err := os.Stat(dir)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		lock, err := linux.LockDir(dir)
		if err != nil { // a run has it, or it is gone
			continue
		}
		err = errDry
		if !t.dry {
			err = linux.RemoveCgroup(dir)
		}
		lock.Close()
		if errors.Is(err, unix.EBUSY) {
			err = reason("processes of another PID namespace are in it")
		}
		t.removed("cgroup "+dir, err)
	}
}

// hasOpen reports whether a process has a message queue open.
func hasOpen(pid int, queue unix.Stat_t) (bool, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		// A look at the name first: stat(2) may hang on a network file system.
		link := dir + entry.Name()
		if target, err := os.Readlink(link); err != nil || target != queueName {
			continue
		}
		var st unix.Stat_t
		err := unix.Stat(link, &st)
		if err == nil && st.Dev == queue.Dev && st.Ino == queue.Ino {
			return true, nil
		}
	}
	return false, nil
}

// startedIn returns the name of the step that an environment comes from, or "". A step
// gives its command a PS1 that names it.
func startedIn(environ []byte) string {
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		prompt, ok := strings.CutPrefix(variable, "PS1=")
		for _, s := range nsteps.Steps {
			if ok && (prompt == s.Name+"# " || prompt == s.Name+"$ ") {
				return s.Name
			}
		}
	}
	return ""
}

// processes names those that a command has started and that have outlived their step.
func (t *tidier) processes() {
	all, self, err := procs.Read()
	if err != nil {
		t.fail(err)
		return
	}
	step := func(pid int) string {
		environ, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		return startedIn(environ)
	}
	if step(1) != "" {
		return // inside a step, whose parent isn't in this /proc
	}
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		if pid == self || all.ByStep(pid) {
			continue
		}
		if name := step(pid); name != "" {
			t.remains = true
			t.sayf("left: process %d, %s: it has outlived its %s; to end it: kill %d",
				pid, all[pid].Command, name, pid)
		}
	}
}

// place removes a directory of a jail on which a step mounts something, if it is what a
// step makes, and empty.
func (t *tidier) place(root *jail.Root, dir, name string) error {
	top, err := root.Lstat("/")
	if err != nil {
		return err
	}
	st, err := root.Lstat(name)
	if err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return notMade{"it is no directory"}
	case st.Dev != top.Dev:
		return notMade{"something is mounted on it, and no step mounted it"}
	case st.Mode&0o222 != 0:
		return notMade{reason(fmt.Sprintf("no step made it: its mode is %o, not 555",
			st.Mode&0o777))}
	}
	if empty, err := root.IsEmpty(name); err != nil {
		return err
	} else if !empty {
		return notMade{"it isn't empty"}
	}
	// Removed, it would take the mount away that a running step has on it.
	if err := inUse(top, dir); err != nil {
		return err
	}
	if t.dry {
		return errDry
	}
	return root.Rmdir(name)
}

func inUseBy(p linux.Process) reason {
	return reason(fmt.Sprintf("in use by process %d, %s", p.PID, p.Command))
}

// inUse returns the reason if a process has its root directory in the jail, or may have.
func inUse(jail unix.Stat_t, dir string) error {
	all, _, err := procs.Read()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return err
	}
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		link := "/proc/" + strconv.Itoa(pid) + "/root"
		target, err := os.Readlink(link)
		if errors.Is(err, os.ErrPermission) && all.ByStep(pid) {
			return reason("perhaps " + string(inUseBy(all[pid])) +
				", which only root may look at")
		}
		if err != nil {
			continue
		}
		info, err := os.Stat(link)
		if err != nil {
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		// Below it are those that have changed their root directory again.
		isJail := st.Dev == jail.Dev && st.Ino == jail.Ino
		if isJail || strings.HasPrefix(target, path+"/") {
			return inUseBy(all[pid])
		}
	}
	return nil
}
