//go:build linux

// Package verify is the command workshop verify: whether a process is what the exercise
// of a chapter asks for.
//
// What there is to know of the process is read from the kernel first, without a judgement
// (facts.go, and enter.go for what can only be seen from inside a namespace). What a
// goal asks for is a function of that (goals.go).
package verify

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"nsteps/internal/cmdline"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

const description = `A step is a number such as 1, or a name such as pid or step1-pid.
Without a PID, verify checks the newest process that a step of yours has started, in this
directory if there is such a process, or else a process of another user. It compares the
process's namespaces with those of the step's parent, or with its own if no step started
the process, and calls these the host's.

Exit status 0 if the goal is met, 1 if not, or if the process can't be checked.`

// Command returns the command. Its error is a cmdline.Status of 1 if the goal isn't met.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "check whether a process meets the goal of a chapter",
		UsageText:   "[options] step [pid]",
		Description: description,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "H", Aliases: []string{"hint"}, Usage: "name the " +
				"command to type next"},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON"},
			// The side of ask that has entered a namespace: of which kind.
			&cli.StringFlag{Name: "probe", Hidden: true},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	if c.IsSet("probe") {
		seen, err := child(c.String("probe"))
		if err != nil {
			return err
		}
		return json.NewEncoder(cmdline.Stdout).Encode(seen)
	}
	g, pid, err := parse(c.Args().Slice())
	if err != nil {
		return &cmdline.UsageError{Err: err}
	}
	me := advice.Me()
	f, err := look(g, pid, me)
	if err != nil {
		return err
	}
	v := g.judge(f)
	r := report{
		goal: g, facts: f, verdict: v, me: me,
		strong: c.Bool("hint"), asked: pid != 0,
	}
	text := r.text(output.ProseColumns())
	if c.Bool("json") {
		text = r.json()
	}
	if err := output.Write(text); err != nil {
		return err
	}
	if v.Result != met {
		return cmdline.Status(1)
	}
	return nil
}

// parse reads "step [pid]". The PID is 0 if there is none.
func parse(args []string) (g *goal, pid int, err error) {
	switch len(args) {
	case 0:
		return nil, 0, errors.New("name a step, for example 4")
	case 1, 2:
	default:
		return nil, 0, fmt.Errorf("one step and one PID, not %q too", args[2])
	}
	if g, err = find(args[0]); err == nil && len(args) == 2 {
		pid, err = procs.ParsePID(args[1])
	}
	return g, pid, err
}

// look looks at a process, or at the one that is meant if the PID is 0.
func look(g *goal, pid int, me advice.Person) (f *facts, err error) {
	all, self, err := procs.Read()
	if err != nil {
		return nil, err
	}
	if pid != 0 {
		f, err = gather(all, self, pid)
	} else {
		f, pid, err = choose(all, self)
	}
	switch {
	case errors.Is(err, errNone):
		return nil, &advice.Error{Err: err, Advice: howToStart(me, g)}
	case denied(err):
		return nil, &advice.Error{Err: err, Advice: elevate(me, g, pid)}
	}
	return f, err
}

// howToStart says how to get a process to look at.
func howToStart(me advice.Person, g *goal) string {
	text := "start one in terminal 2: " + line(me, g.checks[0].then, nil)
	if me.PIDNS {
		text += "\nor ask outside: only what runs in this PID namespace can be seen " +
			"from here"
	}
	return text
}

// elevate says who may look at a process.
func elevate(me advice.Person, g *goal, pid int) string {
	switch {
	case !me.Root:
		return "be root: " + me.AsRoot("workshop", g.verify(pid).args)
	case me.UserNS:
		return "it isn't of this user namespace: ask outside, as root or as the user " +
			"who started it"
	}
	return ""
}

// line is a command as this person has to type it, to get a process like the one of these
// facts, if there are any.
func line(me advice.Person, c command, f *facts) string {
	switch {
	case c.program == "":
		return c.args
	case c.program == "workshop":
		return me.Call(c.program, c.args)
	case f != nil && f.userns && !me.Root: // it is how that one was started
		return "unshare --user --map-root-user " + me.Call(c.program, c.args)
	}
	return me.AsRoot(c.program, c.args)
}
