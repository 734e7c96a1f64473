//go:build linux

// Package verify is the command workshop verify: whether a process is what the exercise
// of a chapter asks for.
//
// What there is to know of the process is read from the kernel first, without a judgement
// (facts.go, and enter.go for what can only be seen from inside of a namespace). What a
// goal asks for is a function of that (goals.go).
package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"nsteps/common"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

// Command returns the command. Its error is a cli.ExitCoder with status 1 and no text if
// the goal isn't met.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "say whether a process meets the goal of a chapter",
		UsageText: "[options] step [pid]",
		Description: "A step is 1 to 6, or a name as pid or step1-pid. Without a PID: the newest process that\n" +
			"a step has started. Its namespaces are compared with those of that step's parent; or\n" +
			"of this program, if no step started it. There they are called the host's.\n\n" +
			"Status 0 if the goal is met, 1 if not, or if the process can't be looked at.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "H", Aliases: []string{"hint"}, Usage: "name the command to type next"},
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
		return json.NewEncoder(os.Stdout).Encode(seen)
	}
	if !c.Args().Present() {
		return &common.UsageError{Err: errors.New("no step")}
	}
	g, err := find(c.Args().First())
	if err != nil {
		return &common.UsageError{Err: err}
	}
	pid := 0
	for _, arg := range c.Args().Tail() {
		if pid != 0 {
			return &common.UsageError{Err: fmt.Errorf("one step and one PID, and options before them: %s", arg)}
		}
		if pid, err = procs.ParsePID(arg); err != nil {
			return &common.UsageError{Err: err}
		}
	}

	all, self, err := procs.Read()
	if err != nil {
		return err
	}
	me := whoAmI()
	asked := pid != 0
	if !asked {
		pid = all.Newest(func(p procs.Process) bool {
			return !p.Zombie && p.PID != self && all[p.Parent].IsStep() && !p.IsStep()
		})
	}
	if pid == 0 {
		return &advised{errors.New("no process is running that a step has started"), me.start(g)}
	}
	f, err := gather(all, self, pid)
	if denied(err) {
		return &advised{err, me.elevate(g, pid)}
	}
	if err != nil {
		return err
	}
	v := g.judge(f)
	r := report{goal: g, facts: f, verdict: v, me: me, strong: c.Bool("hint"), asked: asked}
	text := ""
	if c.Bool("json") {
		text = r.json()
	} else {
		columns, _ := output.Columns()
		text = r.text(columns)
	}
	if err := output.Write(text); err != nil {
		return err
	}
	if v.Result != met {
		return cli.Exit("", 1)
	}
	return nil
}

// An advised error has a line beneath it on what mends it.
type advised struct {
	error
	advice string
}

func (a *advised) Unwrap() error { return a.error }

// Advice returns that line.
func (a *advised) Advice() string { return a.advice }

// A person is who has called this program, and how: what the commands depend on that he is
// told to type.
type person struct {
	root    bool   // perhaps of a user namespace
	userns  bool   // this user namespace isn't the initial one
	pidns   bool   // nor is this PID namespace
	called  string // the directory of this program as it was called, "" if PATH has it
	program string // the directory of this program
}

func whoAmI() person {
	uids, _ := os.ReadFile("/proc/self/uid_map")
	pidns, _ := os.Readlink("/proc/self/ns/pid")
	program, _ := os.Executable()
	return person{
		root:    os.Geteuid() == 0,
		userns:  !initialMap(string(uids)),
		pidns:   pidns != initialPID,
		called:  directory(os.Args[0]),
		program: directory(program),
	}
}

// initialPID is the first PID namespace: the number is the kernel's PROC_PID_INIT_INO.
const initialPID = "pid:[4026531836]"

// start says how to get a process to look at.
func (me person) start(g *goal) string {
	advice := "start one in another terminal: " + me.line(g.checks[0].then, nil)
	if me.pidns {
		advice += "\nor ask outside: only what runs in this PID namespace can be seen from here"
	}
	return advice
}

// elevate says who may look at a process.
func (me person) elevate(g *goal, pid int) string {
	switch {
	case !me.root:
		return "be root: sudo " + me.path("workshop", true) + " " + g.verify(pid).args
	case me.userns:
		return "it isn't of this user namespace: ask outside, as root or as the user who started it"
	}
	return ""
}

// line is a command as this person has to type it, to get a process like that one, if any.
func (me person) line(c command, f *facts) string {
	switch {
	case c.program == "":
		return c.args
	case c.program == "workshop" || me.root:
		return me.path(c.program, false) + " " + c.args
	case f != nil && f.userns: // it is how that one was started
		return "unshare --user --map-root-user " + me.path(c.program, false) + " " + c.args
	}
	return "sudo " + me.path(c.program, true) + " " + c.args
}

// path returns how to call a program of this suite. The PATH of sudo(8) is another one.
func (me person) path(program string, sudo bool) string {
	dir := me.called
	if dir == "" && sudo {
		dir = me.program
	}
	return common.Quote(dir + program)
}

// directory returns the path of a file up to its name, or "".
func directory(file string) string { return file[:strings.LastIndex(file, "/")+1] }

// initialMap reports whether a uid_map is that of the first user namespace:
// user_namespaces(7).
func initialMap(uids string) bool {
	return strings.Join(strings.Fields(uids), " ") == "0 0 4294967295"
}
