//go:build linux

// Package play is the command workshop play: it plays chapters in the terminal, with
// their commands run for real.
//
// Of the prose it shows the first paragraph of a section, and the paragraphs directly
// before a command and after an output. It leaves out sections without commands, except
// a chapter's first one, and the answers to exercises.
package play

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/docs"
	"nsteps/internal/cmdline"
	"nsteps/internal/job"
	"nsteps/workshop/become"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
)

const description = `A chapter is its number or name, such as 1, pid or 1-pid. Without
a chapter, play plays those of the six steps of the workshop. A user who isn't root gets
a user namespace, where one is allowed. With --section, the commands of the sections
before run too, unseen: the section may depend on them.

` + keysHelp

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "play",
		Usage:       "play a chapter in the terminal, its commands run for real",
		UsageText:   "[options] [chapter]",
		Description: description,
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "a", Aliases: []string{"auto"},
				Usage: "don't wait for keys (the default without a terminal)",
			},
			&cli.BoolFlag{
				Name: "l", Aliases: []string{"list"},
				Usage: "list the chapters, or the sections of one",
			},
			&cli.StringFlag{
				Name: "s", Aliases: []string{"section"},
				Usage: "start at the section of that `name`",
			},
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
		return &cmdline.UsageError{Err: err}
	}
	if c.Bool("list") {
		return list(chosen, c.Args().Present())
	}
	start, err := start(c, chosen[0])
	if err != nil {
		return &cmdline.UsageError{Err: err}
	}
	bin, err := become.Programs()
	if err != nil {
		return err
	}
	if err := become.Lacking(chosen...); err != nil {
		return err
	}
	p := newPlayer(!c.Bool("auto"))
	if os.Getuid() != 0 {
		return p.becomeRoot(chosen, "play")
	}
	err = p.run(c.Context, p.wait, func(ctx context.Context) error {
		for i, ch := range chosen {
			if i > 0 {
				start = 0
			}
			if err := p.play(ctx, ch, start, bin); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errQuit) {
		return p.err
	}
	return err
}

// start returns the number of the section to start at.
func start(c *cli.Context, ch *page.Chapter) (int, error) {
	switch {
	case !c.IsSet("section"):
		return 0, nil
	case !c.Args().Present():
		return 0, errors.New(
			"--section needs a chapter, too: play --section NAME CHAPTER")
	}
	return section(ch, c.String("section"))
}

// run calls a function that plays, which ends when a signal comes or the person types q.
func (p *player) run(ctx context.Context, keys bool,
	play func(context.Context) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	job.TakeQuit()
	defer signal.Stop(signals)
	go func() { cancel(stopped{(<-signals).(syscall.Signal)}) }()
	var err error
	if keys {
		if p.keyboard, err = openKeyboard(); err != nil {
			return err
		}
		defer p.keyboard.close()
	}
	err = play(ctx)
	var by stopped
	switch {
	case errors.As(err, &by):
		p.print("\n")
		return cmdline.Status(128 + int(by.signal))
	case errors.Is(err, errQuit):
		p.print("\n") // the shell's prompt begins a line
	}
	return err
}

// stopped is the cause of an end by a signal.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return s.signal.String() }

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

// choose returns the chapter named, or those of the workshop.
func choose(all []*page.Chapter, args []string) (chosen []*page.Chapter, err error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("one chapter, and options before it: %s", args[1])
	}
	if len(args) == 1 {
		if ch := named(all, args[0]); ch != nil {
			return []*page.Chapter{ch}, nil
		}
		var names []string
		for _, ch := range all {
			names = append(names, ch.Name)
		}
		return nil, fmt.Errorf("no chapter %s; there are %s",
			args[0], strings.Join(names, ", "))
	}
	for _, step := range nsteps.Steps {
		if step.Beyond() {
			break
		}
		for _, ch := range all {
			// A step with a number may have several pages: 6-chroot and 6-escape.
			number, _, _ := strings.Cut(ch.Name, "-")
			if ch.Name == step.Chapter || number == step.Label() {
				chosen = append(chosen, ch)
			}
		}
	}
	return chosen, nil
}

// Chapter returns the chapter of a name, such as 1, pid or 1-pid.
func Chapter(name string) (*page.Chapter, error) {
	all, err := read(docs.FS)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(all, []string{name})
	if err != nil {
		return nil, &cmdline.UsageError{Err: err}
	}
	return chosen[0], nil
}

// named returns the chapter of a step, however the step is called, or a page by its name,
// with or without the number. The page 0-setup, which no step has, is 0 too.
func named(all []*page.Chapter, word string) *page.Chapter {
	if step, err := nsteps.Find(word); err == nil {
		word = step.Chapter
	}
	for _, ch := range all {
		number, rest, _ := strings.Cut(ch.Name, "-")
		_, err := strconv.Atoi(number)
		short := err == nil && word == rest
		if word == ch.Name || short || word == "0" && number == "0" {
			return ch
		}
	}
	return nil
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
		title := strings.ToLower(s.Title)
		if found < 0 && name != "" && strings.Contains(title, strings.ToLower(name)) {
			found = i
		}
		titles = append(titles, cmdline.Quote(s.Title))
	}
	if found < 0 {
		return 0, fmt.Errorf("chapter %s has no section %s; there are %s",
			ch.Name, cmdline.Quote(name), strings.Join(titles, ", "))
	}
	return found, nil
}

// list prints the chapters, and the sections of them too.
func list(chapters []*page.Chapter, sections bool) error {
	var b strings.Builder
	for _, ch := range chapters {
		fmt.Fprintf(&b, "%-12s %s\n", ch.Name, ch.Title)
		for i, s := range ch.Sections {
			if sections && (i == 0 || len(steps(s)) > 0) {
				commands := output.Count(len(steps(s)), "command", "commands")
				fmt.Fprintf(&b, "  %11s  %s\n", commands, s.Title)
			}
		}
	}
	return output.Write(b.String())
}

// becomeRoot starts this program again in a user namespace, as its root: it returns only
// if that is refused, or not enough for a chapter.
func (p *player) becomeRoot(chosen []*page.Chapter, command string) error {
	for _, ch := range chosen {
		if ch.NeedsRoot {
			return become.NeedsRoot(ch, "play "+ch.Name)
		}
	}
	return become.Root(command, func() error {
		p.prose("Namespaces need root: this runs in a user namespace, where you are root.")
		return p.err
	})
}
