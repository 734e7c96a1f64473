//go:build linux

package ns

import (
	"errors"
	"maps"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

// becomes matches a command that runs another one as another user. It stands between this
// program and the shell that a person typed in.
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

// Others are the processes that aren't shown.
type others struct {
	hidden   int      // of a step, and only root may look at them
	services []string // commands with a namespace of their own, of no step or terminal
}

// choose returns the processes to be shown when none is asked for: the caller, and those
// with a namespace that the caller doesn't share, if a step started them or they have a
// controlling terminal.
func choose() (shown []*procs.Details, rest others, err error) {
	all, self, err := procs.Read()
	if err != nil {
		return nil, rest, err
	}
	// The caller may be another user's, after su(1), or outside of this PID namespace.
	shell, err := procs.Inspect(caller(all, self))
	if err != nil {
		if shell, err = procs.Inspect(self); err != nil {
			return nil, rest, err
		}
	}
	shown = []*procs.Details{shell}
	for _, pid := range slices.Sorted(maps.Keys(all)) {
		if pid == self || pid == shell.PID {
			continue
		}
		ofStep := all.ByStep(pid)
		switch p, err := procs.Inspect(pid); {
		case ofStep && errors.Is(err, unix.EACCES):
			rest.hidden++
		case err != nil || maps.Equal(p.Namespaces, shell.Namespaces):
		case ofStep || all[pid].Terminal:
			shown = append(shown, p)
		case !slices.Contains(rest.services, p.Command):
			rest.services = append(rest.services, p.Command)
		}
	}
	slices.Sort(rest.services)
	return shown, rest, nil
}

// notes returns sentences on the processes that aren't shown. Alone is the caller if no
// other one is.
func (o others) notes(me advice.Person, alone bool) (notes []string) {
	switch {
	case o.hidden > 0:
		note := "Not shown: " + output.Count(o.hidden, "process", "processes") +
			" in steps of other users"
		if !me.Root {
			note += "; be root: " + me.AsRoot("workshop", "ns")
		}
		notes = append(notes, note)
	case alone:
		notes = append(notes, "No process in a step or in a terminal has a namespace "+
			"of its own, of those that you can look at. Start one in another terminal: "+
			me.AsRoot("step2-mnt", "-pm sh"))
	}
	if len(o.services) > 0 {
		notes = append(notes, "Other processes have namespaces too, lsns lists them: "+
			cmdline.Printable(output.List(o.services, ", ")))
	}
	return notes
}
