//go:build linux

// Package ns is the command workshop ns: the namespaces of processes side by side.
package ns

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

// interval is the time between two looks of --watch.
const interval = 500 * time.Millisecond

const description = `Without a PID it shows the calling shell, and every process (started
by a step or on a terminal) that has a namespace this shell doesn't share.
System services have neither a step nor a terminal: workshop ns only names them, and
lsns(8) lists them.

Numbers are inodes, as in readlink /proc/PID/ns/pid. Processes with equal letters in a
line share one namespace. Exit status 1: a process can't be shown.`

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "ns",
		Usage:       "show the namespaces of processes side by side",
		UsageText:   "[options] [pid...]",
		Description: description,
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "t", Aliases: []string{"tree"},
				Usage: "PID and USER namespaces as trees, with their owners",
			},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON"},
			&cli.BoolFlag{
				Name: "w", Aliases: []string{"watch"},
				Usage: "keep running and mark changes with *; stop with Ctrl-C",
			},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	pids, err := parsePIDs(c.Args().Slice())
	if err != nil {
		return &cmdline.UsageError{Err: err}
	}
	show := (*view).table
	switch {
	case c.Bool("json"):
		show = (*view).json
	case c.Bool("tree"):
		show = (*view).tree
	}
	if c.Bool("watch") {
		w := watcher{pids: pids, tree: c.Bool("tree"), json: c.Bool("json"), show: show}
		return w.run()
	}
	v, err := look(pids, c.Bool("tree"))
	if err != nil {
		return err
	}
	columns, _ := output.Columns()
	if err := output.Write(show(v, columns, nil)); err != nil {
		return err
	}
	return errors.Join(v.problems...)
}

func parsePIDs(args []string) (pids []int, err error) {
	for _, arg := range args {
		pid, err := procs.ParsePID(arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// A view is what one look shows.
type view struct {
	processes []*procs.Details
	nodes     []*node // with --tree
	problems  []error // of PIDs that were asked for
	asked     bool
	others
}

// look looks at these processes, or at those that are shown without any being asked for.
func look(pids []int, tree bool) (v *view, err error) {
	v = &view{asked: len(pids) > 0}
	for _, pid := range pids {
		p, err := procs.Inspect(pid)
		if err != nil {
			v.problems = append(v.problems, err)
			continue
		}
		v.processes = append(v.processes, p)
	}
	if !v.asked {
		if v.processes, v.others, err = choose(); err != nil {
			return nil, err
		}
	}
	if tree {
		v.nodes = lineage(v.processes)
	}
	return v, nil
}

func (v *view) byPID() map[int]*procs.Details {
	if v == nil {
		return nil
	}
	all := map[int]*procs.Details{}
	for _, p := range v.processes {
		all[p.PID] = p
	}
	return all
}

func (v *view) table(columns int, before map[int]*procs.Details) string {
	if len(v.processes) == 0 {
		return ""
	}
	return table(v.processes, columns, before) + v.notes(columns, before)
}

func (v *view) tree(columns int, before map[int]*procs.Details) string {
	if len(v.processes) == 0 {
		return ""
	}
	return tree(v.nodes, v.processes, columns, before) + v.notes(columns, before)
}

// notes returns sentences on what the table and the tree don't show.
func (v *view) notes(columns int, before map[int]*procs.Details) string {
	var notes []string
	now := v.byPID()
	for _, pid := range slices.Sorted(maps.Keys(before)) {
		if now[pid] == nil {
			notes = append(notes, fmt.Sprintf("%d %s has ended, or shares all.", pid,
				cmdline.Printable(before[pid].Command)))
		}
	}
	if !v.asked {
		notes = append(notes, v.others.notes(advice.Me(), len(v.processes) == 1)...)
	}
	if len(notes) == 0 {
		return ""
	}
	for i := range notes {
		notes[i] = output.Fill(notes[i], columns)
	}
	return "\n" + strings.Join(notes, "\n") + "\n"
}

func (v *view) json(int, map[int]*procs.Details) string {
	type failure struct {
		Error string `json:"error"`
	}
	out := struct {
		Processes  []*procs.Details `json:"processes"`
		Namespaces []*node          `json:"namespaces,omitempty"`
		Errors     []failure        `json:"errors"`
	}{append([]*procs.Details{}, v.processes...), v.nodes, []failure{}}
	for _, err := range v.problems {
		out.Errors = append(out.Errors, failure{err.Error()})
	}
	text, err := output.JSON(out)
	if err != nil {
		panic(err) // numbers and strings can be marshalled
	}
	return text
}

// A watcher shows what there is whenever that has changed.
type watcher struct {
	pids       []int
	tree, json bool
	show       func(*view, int, map[int]*procs.Details) string
	now        *view
	before     map[int]*procs.Details // nil until something has changed
	last       string                 // what is on the screen
}

// run looks again and again, until a signal comes, or until none of the processes asked
// for is left.
func (w *watcher) run() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		v, err := look(w.pids, w.tree)
		if err != nil {
			return err
		}
		if err := w.update(v); err != nil {
			return err
		}
		if v.asked && len(v.processes) == 0 {
			return errors.Join(v.problems...)
		}
		select {
		case <-signals:
			return nil
		case <-ticker.C:
		}
	}
}

// update writes a view if it differs from what is on the screen.
func (w *watcher) update(v *view) error {
	if w.now != nil && !reflect.DeepEqual(v.byPID(), w.now.byPID()) {
		w.before = w.now.byPID()
	}
	w.now = v
	columns, terminal := output.Columns()
	text := w.show(v, columns, w.before)
	if !w.json {
		for _, problem := range v.problems {
			problem := "workshop: " + cmdline.Printable(problem.Error())
			text += output.Fill(problem, columns) + "\n"
		}
	}
	if text == w.last {
		return nil
	}
	frame := text
	switch {
	case terminal && !w.json: // home, and clear what is below: console_codes(4)
		frame = "\x1b[H\x1b[2J" + text
	case w.last != "" && !w.json:
		frame = "\n" + text
	}
	w.last = text
	return output.Write(frame)
}
