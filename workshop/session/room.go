//go:build linux

package session

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// A Room is a new, empty directory, and the processes that are started after it. Both end
// with it.
type Room struct {
	Dir    string
	lock   *os.File
	before []int // this process's children that aren't the room's
}

// NewRoom makes a room. What loses its parent becomes this process's child from then on,
// for Close to find.
func NewRoom() (*Room, error) {
	r := &Room{before: children()}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("prctl PR_SET_CHILD_SUBREAPER: %w", err)
	}
	tmp, err := filepath.Abs(linux.TempDir()) // the terminals are in another directory
	if err != nil {
		return nil, err
	}
	// Held until the end, by whatever signal, the lock tells workshop cleanup that the
	// directory is in use.
	if r.Dir, r.lock, err = linux.MakeTempDir(tmp, DirPattern); err != nil {
		return nil, err
	}
	return r, nil
}

// TempDirs returns the directories that have rooms of this user. Without TMPDIR these are
// /tmp and /var/tmp: the mount options of /tmp may have been others when a room was made.
func TempDirs() []string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return []string{dir}
	}
	dirs := []string{"/tmp"}
	tmp, err1 := os.Stat("/tmp")
	other, err2 := os.Stat("/var/tmp")
	if err2 == nil && (err1 != nil || !os.SameFile(tmp, other)) {
		dirs = append(dirs, "/var/tmp")
	}
	return dirs
}

// Share lets a command keep the directory locked, with the processes that inherit its
// descriptor 3, should this process be killed and they live on.
func (r *Room) Share(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{r.lock} }

// DirPattern is what directories of rooms are called below linux.TempDir.
const DirPattern = "nsteps-chapter-*"

// Close kills all that runs in the room, in whatever namespaces and sessions, and removes
// the directory. It may be called again.
func (r *Room) Close() error {
	r.kill()
	err := os.RemoveAll(r.Dir)
	r.lock.Close()
	return err
}

func (r *Room) kill() {
	for range 500 {
		left := false
		below := families()
		for _, pid := range below[os.Getpid()] {
			if !slices.Contains(r.before, pid) {
				left = true
				kill(pid, below)
				// Not of any child: others in this process wait for theirs.
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
		if !left {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kill kills a process and its descendants.
func kill(pid int, below map[int][]int) {
	_ = unix.Kill(pid, unix.SIGKILL)
	for _, child := range below[pid] {
		kill(child, below)
	}
}

func children() []int { return families()[os.Getpid()] }

// families returns the children of each process that has any, those that have ended and
// haven't been waited for too.
func families() map[int][]int {
	all, _ := linux.Processes()
	below := map[int][]int{}
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		parent := all[pid].Parent
		below[parent] = append(below[parent], pid)
	}
	return below
}
