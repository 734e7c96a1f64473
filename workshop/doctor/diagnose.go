//go:build linux

package doctor

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps"
)

// A report is what --json prints.
type report struct {
	Can       bool          `json:"can"`
	Prefix    string        `json:"prefix"`
	Steps     []stepReport  `json:"steps"`
	Diagnoses []diagnosis   `json:"diagnoses"`
	Notes     []diagnosis   `json:"notes"`
	Probes    []probeReport `json:"probes"`
}

type stepReport struct {
	Name   string   `json:"name"`
	Can    bool     `json:"can"`
	Causes []string `json:"causes"`
}

type diagnosis struct {
	ID    string   `json:"id"`
	Error string   `json:"error"`
	Cause string   `json:"cause"`
	Fix   string   `json:"fix"`
	Steps []string `json:"steps"`
}

type probeReport struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

// diagnose decides from what the probes found which steps can run, and explains by the
// host why others can't.
func diagnose(e examination) report {
	x := choose(e)
	r := report{
		Can: true, Prefix: strings.TrimSpace(x.prefix),
		Diagnoses: []diagnosis{}, Notes: []diagnosis{},
	}
	for _, s := range nsteps.Steps {
		all := slices.Concat(probesOf(s), needs[s.Short].commands, []string{s.Name})
		r.judge(x.as(s, e), s.Name, all)
	}
	r.judge(x, jailer, []string{jailer})
	r.note(x)
	r.list(e, x)
	return r
}

// judge adds a step, and the diagnoses of what it needs and lacks.
func (r *report) judge(x explainer, step string, needs []string) {
	one := stepReport{Name: step, Can: true, Causes: []string{}}
	for _, name := range needs {
		if x.found[name] == nil {
			continue
		}
		one.Can = false
		if x.follows(name) {
			continue
		}
		d := add(&r.Diagnoses, x.explain(name))
		if !slices.Contains(one.Causes, d.ID) {
			one.Causes = append(one.Causes, d.ID)
			d.Steps = append(d.Steps, step)
		}
	}
	r.Steps = append(r.Steps, one)
	// The workshop doesn't need the steps beyond it.
	if s, err := nsteps.Find(step); err != nil || !s.Beyond() {
		r.Can = r.Can && one.Can
	}
}

// add adds a diagnosis unless there is one of its ID, and returns that one.
func add(to *[]diagnosis, d diagnosis) *diagnosis {
	i := slices.IndexFunc(*to, func(other diagnosis) bool { return other.ID == d.ID })
	if i < 0 {
		i = len(*to)
		*to = append(*to, d)
	}
	return &(*to)[i]
}

// note adds what no step needs but the chapters show.
func (r *report) note(x explainer) {
	for _, name := range optional {
		if x.found[name] == nil || x.follows(name) {
			continue
		}
		d := x.explain(name)
		same := func(other diagnosis) bool {
			return other.ID == d.ID &&
				other.Fix == d.Fix
		}
		if !slices.ContainsFunc(r.Diagnoses, same) {
			add(&r.Notes, d)
		}
	}
	if d, ok := x.outside(); ok {
		r.Notes = append(r.Notes, d)
	}
}

// list adds all that was tried.
func (r *report) list(e examination, x explainer) {
	one := func(name string, f *failure) {
		p := probeReport{Name: name, OK: f == nil}
		if f != nil {
			p.Error = f.Error()
		}
		r.Probes = append(r.Probes, p)
	}
	for _, name := range slices.Concat(probeNames(), commandNames(), programNames()) {
		one(name, x.found[name])
	}
	if e.user != nil {
		one(user.name, cmp.Or(e.user[user.name], e.prefix))
	}
}

// choose takes the results that count: those in this user namespace, or those as root of
// a new one if more works there, with the prefix of a command that is to be that.
func choose(e examination) explainer {
	x := explainer{host: e.host, found: maps.Clone(e.direct)}
	if facts := x.Facts; facts != nil {
		copied := *facts
		x.Facts = &copied
	}
	if e.user != nil {
		refused := e.user[user.name]
		better := refused == nil && failures(e.user) < failures(e.direct)
		if better && e.prefix == nil {
			x.prefix = prefix + " "
			x.enter(e)
		} else {
			x.refuse(refused, e.prefix, better)
		}
	}
	maps.Copy(x.found, e.commands)
	return x
}

// as takes the results that count for a step. One that makes a user namespace itself
// needs no unshare(1), and a limit may allow no second one inside that of the prefix.
// Container makes one only for a user who isn't root.
func (x explainer) as(s nsteps.Step, e examination) explainer {
	own := slices.IndexFunc(probes, func(p probe) bool {
		makes := slices.Contains(probesOf(s), p.name) || s.Short == "container" && x.UID != 0
		return p.flags&user.flags != 0 && makes
	})
	if own < 0 || e.user == nil || e.user[user.name] != nil ||
		e.direct[probes[own].name] != nil {
		return x
	}
	x.enter(e)
	x.prefix, x.found[probes[own].name] = "", nil
	maps.Copy(x.found, e.commands)
	return x
}

// enter takes the results as root of a user namespace.
func (x *explainer) enter(e examination) {
	x.found = maps.Clone(e.user)
	delete(x.found, user.name)
	if x.Facts != nil {
		inside := *x.Facts
		inside.SysAdmin, inside.UserNS = true, true
		x.Facts = &inside
	}
}

// refuse takes the failure to make a user namespace for the cause of all others.
func (x *explainer) refuse(refused, noPrefix *failure, better bool) {
	x.Refused = refused != nil || noPrefix != nil
	if x.UID == 0 && !better {
		return // for root, a user namespace is no expectation
	}
	if refused = cmp.Or(refused, noPrefix); refused == nil {
		return
	}
	for name, f := range x.found {
		if f.is("clone", unix.EPERM) {
			x.found[name] = refused
		}
	}
}

func failures(found results) (n int) {
	for _, f := range found {
		if f != nil {
			n++
		}
	}
	return n
}
