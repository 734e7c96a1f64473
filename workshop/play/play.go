//go:build linux

// Package play is the command workshop play: it plays chapters in the terminal, with
// their commands run for real.
//
// Of the prose it shows what introduces: the first paragraph of a section, and the one
// directly before a command. Sections without commands are left out, but for a chapter's
// first one, and so are answers to exercises.
package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/docs"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
)

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "play",
		Usage:     "play a chapter in the terminal, its commands run for real",
		UsageText: "[options] [chapter]",
		Description: "A chapter is its number or name, as 1 or 1-pid or pid; without one, those of the\n" +
			"six steps are played. Enter or the space bar goes on, q ends. Whoever isn't root gets\n" +
			"a user namespace, where one is allowed. With --section, the commands of the sections\n" +
			"before are run too, unseen: it may depend on them.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "a", Aliases: []string{"auto"}, Usage: "wait for no keys; so too without a terminal"},
			&cli.BoolFlag{Name: "l", Aliases: []string{"list"}, Usage: "list the chapters, or the sections of one"},
			&cli.StringFlag{Name: "s", Aliases: []string{"section"}, Usage: "start at the section of that `name`"},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	all, err := read(docs.FS)
	if err != nil {
		return err
	}
	chosen, err := choose(all, c.Args().Slice())
	if err != nil {
		return &common.UsageError{Err: err}
	}
	if c.Bool("list") {
		return list(c.App.Writer, chosen, c.Args().Present())
	}
	start := 0
	if c.IsSet("section") {
		if !c.Args().Present() {
			return &common.UsageError{Err: errors.New("--section takes a chapter, too: play --section NAME CHAPTER")}
		}
		if start, err = section(chosen[0], c.String("section")); err != nil {
			return &common.UsageError{Err: err}
		}
	}
	bin, err := programs()
	if err != nil {
		return err
	}
	p := newPlayer(c.App.Writer, c.Bool("auto"))
	if os.Getuid() != 0 {
		for _, ch := range chosen {
			if ch.NeedsRoot {
				return fmt.Errorf("chapter %s takes root, not that of a user namespace: %s",
					ch.Name, advice.Me().AsRoot("workshop", "play "+ch.Name))
			}
		}
		return p.becomeRoot()
	}

	ctx, cancel := context.WithCancelCause(c.Context)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	go func() { cancel(stopped{(<-signals).(syscall.Signal)}) }()
	for _, ch := range chosen {
		if err = p.play(ctx, ch, start, bin); err != nil {
			break
		}
	}
	var by stopped
	switch {
	case errors.As(err, &by):
		fmt.Fprintln(c.App.Writer)
		return cli.Exit("", 128+int(by.signal))
	case errors.Is(err, errQuit):
		_, err = fmt.Fprintln(c.App.Writer) // the shell's prompt begins a line
		return err
	}
	return err
}

// stopped is the cause of an end by a signal.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return s.signal.String() }

var errQuit = errors.New("the person has had enough")

// read returns the chapters that have something to play, in the order of their names.
func read(pages fs.FS) (all []*page.Chapter, err error) {
	names, err := fs.Glob(pages, "*.md")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(pages, name)
		if err != nil {
			return nil, err
		}
		ch, err := page.Parse("docs/"+name, text)
		if err != nil {
			return nil, err
		}
		for _, s := range ch.Sections {
			if len(steps(s)) > 0 {
				all = append(all, ch)
				break
			}
		}
	}
	return all, nil
}

// steps returns what is played of a section.
func steps(s *page.Section) (shown []*page.Step) {
	for _, step := range s.Steps() {
		if !step.Folded {
			shown = append(shown, step)
		}
	}
	return shown
}

// choose returns the chapter named, or those of the steps: all that have a number but 0.
func choose(all []*page.Chapter, args []string) (chosen []*page.Chapter, err error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("one chapter, and options before it: %s", args[1])
	}
	var names []string
	for _, ch := range all {
		number, word, numbered := strings.Cut(ch.Name, "-")
		numbered = numbered && strings.Trim(number, "0123456789") == ""
		switch {
		case len(args) == 0 && numbered && number != "0":
			chosen = append(chosen, ch)
		case len(args) == 1 && (args[0] == ch.Name || numbered && (args[0] == number || args[0] == word)):
			return []*page.Chapter{ch}, nil
		}
		names = append(names, ch.Name)
	}
	if len(args) == 1 {
		return nil, fmt.Errorf("no chapter %s; there are %s", args[0], strings.Join(names, ", "))
	}
	return chosen, nil
}

// section returns the number of a chapter's section, given by its title or a part of it.
func section(ch *page.Chapter, name string) (int, error) {
	var titles []string
	found := -1
	for i, s := range ch.Sections {
		if i > 0 && len(steps(s)) == 0 {
			continue
		}
		if strings.EqualFold(s.Title, name) {
			return i, nil
		}
		if found < 0 && name != "" && strings.Contains(strings.ToLower(s.Title), strings.ToLower(name)) {
			found = i
		}
		titles = append(titles, common.Quote(s.Title))
	}
	if found < 0 {
		return 0, fmt.Errorf("chapter %s has no section %s; there are %s", ch.Name, common.Quote(name), strings.Join(titles, ", "))
	}
	return found, nil
}

func list(w io.Writer, chapters []*page.Chapter, sections bool) error {
	for _, ch := range chapters {
		if _, err := fmt.Fprintf(w, "%-12s %s\n", ch.Name, ch.Title); err != nil {
			return err
		}
		for i, s := range ch.Sections {
			if !sections || i > 0 && len(steps(s)) == 0 {
				continue
			}
			commands := output.Count(len(steps(s)), "command", "commands")
			if _, err := fmt.Fprintf(w, "  %11s  %s\n", commands, s.Title); err != nil {
				return err
			}
		}
	}
	return nil
}

// programs returns the directory of the steps, which are built beside this program.
func programs() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	bin := filepath.Dir(self)
	if _, err := os.Stat(filepath.Join(bin, "step1-pid")); err != nil {
		return "", fmt.Errorf("the steps aren't beside this program, in %s: make build", bin)
	}
	return bin, nil
}

// becomeRoot starts this program again in a user namespace, as its root: it returns only
// if that is refused.
func (p *player) becomeRoot() error {
	enter := []string{"unshare", "--user", "--map-root-user"}
	unshare, err := exec.LookPath(enter[0])
	if err != nil {
		return fmt.Errorf("namespaces take root, and to become it unshare is missing, of util-linux: %s",
			advice.Me().AsRoot("workshop", "play"))
	}
	if out, err := exec.Command(unshare, "--user", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		return fmt.Errorf("namespaces take root, and a user namespace is refused (%s): %s; why, workshop doctor tells",
			strings.TrimSpace(string(out)), advice.Me().AsRoot("workshop", "play"))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.prose("Namespaces take root: this runs in a user namespace, where you are root.")
	if p.err != nil {
		return p.err
	}
	return unix.Exec(unshare, append(append(enter, self), os.Args[1:]...), os.Environ())
}
