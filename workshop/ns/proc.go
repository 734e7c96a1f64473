//go:build linux

package ns

import (
	"errors"
	"maps"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"

	"nsteps/workshop/procs"
)

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
func choose() (shown []*procs.Details, hidden int, err error) {
	all, self, err := procs.Read()
	if err != nil {
		return nil, 0, err
	}
	// The caller may be another user's, as after su, or outside of this PID namespace.
	shell, err := procs.Inspect(caller(all, self))
	if err != nil {
		if shell, err = procs.Inspect(self); err != nil {
			return nil, 0, err
		}
	}
	shown = []*procs.Details{shell}
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		ofStep := all.ByStep(pid)
		if pid == self || pid == shell.PID || !ofStep && !all[pid].Terminal {
			continue
		}
		p, err := procs.Inspect(pid)
		switch {
		case err == nil && !maps.Equal(p.Namespaces, shell.Namespaces):
			shown = append(shown, p)
		case ofStep && errors.Is(err, unix.EACCES):
			hidden++
		}
	}
	return shown, hidden, nil
}
