//go:build linux

package verify

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
	"nsteps/workshop/procs"
)

// errNone is that there is no process to look at.
var errNone = errors.New("no process is running that a step has started")

// choose looks at the newest process that a step has started. Steps of this user come
// first, because the newest of all on a machine of a whole class is mostly another
// person's. Among them, steps in this directory come first, because a person has both
// terminals in one directory. A process that ends meanwhile isn't meant.
func choose(all procs.All, self int) (*facts, int, error) {
	var candidates []linux.Process
	rank := map[int]int{}
	me := ownerOf(self)
	for pid, p := range all {
		ofStep := procs.IsStep(all[p.Parent]) && !procs.IsStep(p)
		if ofStep && !p.Ending && pid != self {
			candidates = append(candidates, p)
			rank[pid] = me.rank(ownerOf(p.Parent))
		}
	}
	slices.SortFunc(candidates, func(a, b linux.Process) int {
		return cmp.Or(cmp.Compare(rank[b.PID], rank[a.PID]),
			cmp.Compare(b.Start, a.Start), cmp.Compare(b.PID, a.PID))
	})
	for _, p := range candidates {
		f, err := gather(all, self, p.PID)
		if !ended(err) {
			return f, p.PID, err
		}
	}
	return nil, 0, errNone
}

// ended reports whether an error says that the process isn't there any more.
func ended(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, procs.ErrEnded) ||
		errors.Is(err, errMeanwhile)
}

// An owner is the user of a process, and where that user is.
type owner struct {
	uid   int // effective, which owns its directory in /proc
	login string
	dir   string // "" if it can't be read
}

// ownerOf returns the owner of a process. The login stays what it was through sudo(8) and
// su(1), so it tells apart the people who are all root; it is the same number for all
// where nobody has logged in, or where the kernel knows no logins: proc_pid_loginuid(5).
func ownerOf(pid int) owner {
	login, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/loginuid")
	o := owner{uid: -1, login: strings.TrimSpace(string(login))}
	o.dir, _ = os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	var st unix.Stat_t
	if unix.Stat("/proc/"+strconv.Itoa(pid), &st) == nil {
		o.uid = int(st.Uid)
	}
	return o
}

// rank says how likely it is that the same person has started two processes.
func (o owner) rank(other owner) (rank int) {
	if o.login == other.login {
		rank += 4
	}
	if o.uid == other.uid {
		rank += 2
	}
	if o.dir != "" && o.dir == other.dir {
		rank++
	}
	return rank
}
