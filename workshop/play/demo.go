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
what the host sees beside what the container sees. In a terminal it pauses, so that you
can read. Enter or the space bar goes on at once, q ends. Exit status 0: all of it ran.`

// Demo returns the command that shows all steps.
func Demo() *cli.Command {
	return &cli.Command{
		Name:        "demo",
		Usage:       "show all steps in 90 seconds, the host beside the container",
		UsageText:   "[options]",
		Description: demoDescription,
		Action:      runDemo,
	}
}

func runDemo(c *cli.Context) error {
	if c.Args().Present() {
		return &cmdline.UsageError{
			Err: fmt.Errorf("demo takes no argument: %s", c.Args().First()),
		}
	}
	all, err := read(docs.FS)
	if err != nil {
		return err
	}
	var chosen []*page.Chapter
	for _, ch := range all {
		if len(scenes(ch)) > 0 { // has a mark
			chosen = append(chosen, ch)
		}
	}
	bin, err := become.Programs()
	if err != nil {
		return err
	}
	p := newPlayer(true)
	keys := p.wait
	p.wait, p.stroke = false, min(p.stroke, brisk)
	if os.Getuid() != 0 {
		return p.becomeRoot(chosen, "demo")
	}
	err = p.run(c.Context, keys, func(ctx context.Context) error {
		return p.demo(ctx, chosen, bin)
	})
	if errors.Is(err, errQuit) {
		return cmdline.Status(1) // not all of it ran
	}
	return err
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

// reading is how long the pauses of the demo are, together.
const reading = 60 * time.Second

// weight is how long it takes to read a step, in characters.
func weight(s *page.Step) int {
	const look = 30 // to find out where to look
	return look + len(s.Demo) + len(strings.Join(s.Lines, " ")) + min(len(s.Output), 200)
}

// demo shows the scenes of chapters, and what to do next.
func (p *player) demo(ctx context.Context, chapters []*page.Chapter, bin string) error {
	total := 0
	for _, ch := range chapters {
		for _, step := range scenes(ch) {
			total += weight(step)
		}
	}
	for i, ch := range chapters {
		d := &demo{
			show:  &show{player: p, ctx: ctx, chapter: ch, bin: bin, again: "demo"},
			board: newBoard(p, ch),
			pause: reading / time.Duration(total),
		}
		where := fmt.Sprintf("%s (%d of %d)", ch.Title, i+1, len(chapters))
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
	for _, next := range [][2]string{
		{"Type chapter 1 yourself, in two terminals:", me.Call("workshop", "start 1")},
		{"Watch chapter 1, command by command:", me.Call("workshop", "play 1")},
		{"Read chapter 1:", "docs/1-pid.md"},
	} {
		p.print(fmt.Sprintf("  %-42s  %s\n", next[0], output.Bold.Sprint(next[1])))
	}
	return p.err
}
