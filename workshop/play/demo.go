//go:build linux

package play

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v2"

	"nsteps/docs"
	"nsteps/internal/cmdline"
	"nsteps/workshop/advice"
	"nsteps/workshop/become"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
)

const demoDescription = `It runs the commands that the chapters mark for it, and shows
what the host sees beside what the container sees. Without a chapter, it shows the six
steps of the workshop. In a terminal it pauses, so that you can read. Enter or the space
bar goes on at once, q ends. Exit status 0: all of it ran.`

// Demo returns the command that shows steps in short.
func Demo() *cli.Command {
	return &cli.Command{
		Name:        "demo",
		Usage:       "show all six steps in 90 seconds, the host beside the container",
		UsageText:   "[options] [chapter]",
		Description: demoDescription,
		Action:      runDemo,
	}
}

func runDemo(c *cli.Context) error {
	all, err := read(docs.FS)
	if err != nil {
		return err
	}
	chosen, err := forDemo(all, c.Args().Slice())
	if err != nil {
		return &cmdline.UsageError{Err: err}
	}
	again := "demo"
	if c.Args().Present() {
		again += " " + chosen[0].Name
	}
	bin, err := become.Programs()
	if err != nil {
		return err
	}
	if err := become.Lacking(chosen...); err != nil {
		return err
	}
	p := newPlayer(true)
	keys := p.wait
	p.wait, p.stroke = false, min(p.stroke, brisk)
	if os.Getuid() != 0 {
		return p.becomeRoot(chosen, again)
	}
	err = p.run(c.Context, keys, func(ctx context.Context) error {
		return p.demo(ctx, all, chosen, bin, again)
	})
	if errors.Is(err, errQuit) {
		return cmdline.Status(1) // not all of it ran
	}
	return err
}

// forDemo returns the chapter named, or those of the workshop, as far as they have marks
// for the demo.
func forDemo(all []*page.Chapter, args []string) (chosen []*page.Chapter, err error) {
	named, err := choose(all, args)
	if err != nil {
		return nil, err
	}
	for _, ch := range named {
		if len(scenes(ch)) > 0 {
			chosen = append(chosen, ch)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("chapter %s has no commands for the demo", named[0].Name)
	}
	return chosen, nil
}

// scenes returns the steps of a chapter that the demo shows: those that are marked, and
// those that start their shells.
func scenes(ch *page.Chapter) (shown []*page.Step) {
	var openers []*page.Step
	for _, step := range ch.Steps() {
		if step.Folded {
			continue
		}
		if step.Demo != "" {
			for _, opener := range openers {
				opens := opener.Terminal == step.Terminal && opener.Opens == step.Prompt
				if opens && !slices.Contains(shown, opener) {
					shown = append(shown, opener)
				}
			}
			shown = append(shown, step)
		}
		if step.Opens != "" {
			openers = slices.DeleteFunc(openers, func(other *page.Step) bool {
				return other.Terminal == step.Terminal && other.Opens == step.Opens
			})
			openers = append(openers, step)
		}
	}
	return shown
}

// reading is how long the pauses of the demo of the workshop are, together.
const reading = 60 * time.Second

// weight is how long it takes to read a step, in characters.
func weight(s *page.Step) int {
	const look = 30 // to find out where to look
	return look + len(s.Demo) + len(strings.Join(s.Lines, " ")) + min(len(s.Output), 200)
}

// perCharacter returns how long a character is shown.
func perCharacter(all []*page.Chapter) (time.Duration, error) {
	workshop, err := forDemo(all, nil)
	total := 0
	for _, ch := range workshop {
		for _, step := range scenes(ch) {
			total += weight(step)
		}
	}
	return reading / time.Duration(max(total, 1)), err
}

// demo shows the scenes of some of all chapters, and what to do next. The command again
// does so another time.
func (p *player) demo(ctx context.Context, all, chapters []*page.Chapter,
	bin, again string,
) error {
	pause, err := perCharacter(all)
	if err != nil {
		return err
	}
	for i, ch := range chapters {
		d := &demo{
			show:  &show{player: p, ctx: ctx, chapter: ch, bin: bin, again: again},
			board: newBoard(p, ch),
			pause: pause,
		}
		where := ch.Title
		if len(chapters) > 1 {
			where = fmt.Sprintf("%s (%d of %d)", ch.Title, i+1, len(chapters))
		}
		p.print("\n" + output.Bold.Sprint(output.Cut(where, p.width)) + "\n")
		if err := errors.Join(d.play(), d.close()); err != nil {
			return err
		}
	}
	return p.last(chapters)
}

// A demo is that of one chapter.
type demo struct {
	*show
	board *board
	pause time.Duration // for a character
}

// play executes the steps of the chapter up to the last scene, and shows the scenes.
func (d *demo) play() error {
	if err := d.begin(0); err != nil {
		return err
	}
	left := scenes(d.chapter)
	d.board.open()
	defer d.board.close() // however it ends, what follows is below
	for _, step := range d.chapter.Steps() {
		if len(left) == 0 {
			break
		}
		isScene := slices.Contains(left, step)
		if !isScene && step.Folded {
			continue
		}
		if isScene {
			left = slices.DeleteFunc(left, func(s *page.Step) bool { return s == step })
			d.board.begin(step.Terminal, step.Demo)
		}
		if err := d.step(step, isScene); err != nil {
			return err
		}
		if !isScene {
			continue
		}
		if err := d.read(d.ctx, time.Duration(weight(step))*d.pause); err != nil {
			return err
		}
	}
	return d.err
}

// step executes a step. Of one without a sentence the last line is shown, which starts a
// shell.
func (d *demo) step(step *page.Step, isScene bool) error {
	for i, line := range step.Lines {
		visible := isScene && (step.Demo != "" || i == len(step.Lines)-1)
		if visible {
			sign := prompt(step)
			if i > 0 && d.session.More() {
				sign = "> "
			}
			if err := d.board.typed(d.ctx, sign, line); err != nil {
				return err
			}
		}
		printed, err := d.session.Line(step, i)
		if err != nil {
			d.board.close()
			d.output(printed)
			return d.stop(step, i, err)
		}
		if visible {
			d.board.output(printed)
		}
	}
	return d.err
}

// read waits until what is on the screen has been read. It doesn't without a terminal.
func (p *player) read(ctx context.Context, limit time.Duration) error {
	if !p.terminal {
		return p.err
	}
	_, err := p.key(ctx, limit)
	if errors.Is(err, errForward) || errors.Is(err, errBack) {
		return nil
	}
	return err
}

// first returns the first sentence of a chapter for one of the terminals.
func first(ch *page.Chapter, terminal page.Terminal) string {
	for _, step := range scenes(ch) {
		if step.Terminal == terminal && step.Demo != "" {
			return step.Demo
		}
	}
	return ""
}

// last prints a table of what was seen, and what to do next.
func (p *player) last(chapters []*page.Chapter) error {
	p.print("\n" + output.Bold.Sprint("What you have seen") + "\n")
	const name = 9
	width := (p.width - name - len(gap)) / 2
	for i, ch := range append([]*page.Chapter{{Title: ""}}, chapters...) {
		title, _, _ := strings.Cut(ch.Title, ":")
		left, right := first(ch, 1), first(ch, 2)
		if i == 0 {
			left, right = "terminal 1, on the host", "terminal 2, inside"
		}
		if left == "" || right == "" {
			continue // it shows no difference
		}
		table := [3][]string{
			{title}, wrapped(left, width, ""), wrapped(right, width, ""),
		}
		for row := range max(len(table[1]), len(table[2])) {
			line := ""
			for column, cells := range table {
				cell := ""
				if row < len(cells) {
					cell = cells[row]
				}
				line += runewidth.FillRight(cell, []int{name, width + 1, 0}[column])
			}
			p.print(strings.TrimRight(line, " ") + "\n")
		}
	}
	me := advice.Me()
	p.print("\n" + output.Bold.Sprint("What to do next") + "\n")
	number, _, _ := strings.Cut(chapters[0].Name, "-")
	chapter := "chapter " + number
	for _, next := range [][2]string{
		{
			"Type " + chapter + " yourself, in two terminals:",
			me.Call("workshop", "start "+number),
		},
		{
			"Watch " + chapter + ", command by command:",
			me.Call("workshop", "play "+number),
		},
		{"Read " + chapter + ":", "docs/" + chapters[0].Name + ".md"},
	} {
		p.print(fmt.Sprintf("  %-43s  %s\n", next[0], output.Bold.Sprint(next[1])))
	}
	return p.err
}
