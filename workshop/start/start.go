//go:build linux

// Package start is the command workshop start: it opens the two terminals of a chapter.
package start

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/workshop/advice"
	"nsteps/workshop/become"
	"nsteps/workshop/output"
	"nsteps/workshop/page"
	"nsteps/workshop/play"
	"nsteps/workshop/session"
)

const description = `It opens them in tmux, in a new, empty directory, with the steps in
PATH and the prompt host#. You are root in both, if need be in a user namespace. The two
terminals have their own hostname, mounts and message queues, and the machine keeps its
own. All of it ends when both shells have ended, or with Ctrl-b d. Without tmux, start
prints what to type.`

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "start",
		Usage:       "open the two terminals of a chapter",
		UsageText:   "[options] [chapter]",
		Description: description,
		Action:      run,
	}
}

func run(c *cli.Context) error {
	if c.NArg() > 1 {
		return &cmdline.UsageError{
			Err: fmt.Errorf("one chapter: %s", c.Args().Get(1)),
		}
	}
	var chapter *page.Chapter
	if c.Args().Present() {
		var err error
		if chapter, err = play.Chapter(c.Args().First()); err != nil {
			return err
		}
	}
	bin, err := become.Programs()
	if err != nil {
		return err
	}
	tmux, err := exec.LookPath("tmux")
	columns, terminal := output.Columns()
	if err != nil || !terminal {
		why := "tmux isn't here."
		if err == nil {
			why = "This is no terminal."
		}
		return output.Write(instructions(why, bin, advice.Me()))
	}
	if os.Getuid() != 0 {
		command := "start"
		if chapter != nil {
			if command += " " + chapter.Name; chapter.NeedsRoot {
				return become.NeedsRoot(chapter, command)
			}
		}
		return become.Root(command, func() error { return nil })
	}
	return open(tmux, bin, greeting(chapter, advice.Me()), columns)
}

// instructions are what a person types who has no tmux.
func instructions(why, bin string, me advice.Person) string {
	root := ""
	if !me.Root {
		root = "  sudo -s   # without sudo, in terminal 2: " +
			"unshare --user --map-root-user bash\n"
	}
	return why + ` Open two terminals, and type into both:

` + root + `  mkdir -p ~/nsteps && cd ~/nsteps
  export PATH=` + cmdline.Quote(bin) + `:$PATH:/usr/sbin:/sbin
  export PS1='host# '
`
}

// greeting is what terminal 1 shows first.
func greeting(chapter *page.Chapter, me advice.Person) string {
	where := "This is terminal 1. It stays on the host. In terminal 2 you go inside."
	if me.UserNS {
		where += " You are root in a user namespace."
	}
	if chapter == nil {
		return where
	}
	return fmt.Sprintf("%s\nThe page: docs/%s.md\n%s", chapter.Title, chapter.Name, where)
}

//go:embed tmux.conf
var conf []byte

// wide is how many columns the two terminals need side by side.
const wide = 160

// open runs tmux until both shells have ended, or until the person leaves.
func open(tmux, bin, greeting string, columns int) (err error) {
	room, err := session.NewRoom()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	work, config := filepath.Join(room.Dir, "work"), filepath.Join(room.Dir, "tmux.conf")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(config, conf, 0o644); err != nil {
		return err
	}
	cmd := exec.Command(tmux, arguments(config, greeting, columns)...)
	cmd.Dir = work
	cmd.Env = environment(os.Environ(), session.Path(bin))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	ended := make(chan error, 1)
	go func() { ended <- session.Host(cmd.Run) }()
	select {
	case err := <-ended:
		if err == nil {
			return nil
		}
		// It has printed why: an unknown terminal, or a path too long for a socket.
		fix := "TERM=xterm TMPDIR=/tmp " + advice.Me().Call("workshop", "start")
		return &advice.Error{Err: errors.New(tmux + ": " + err.Error()), Advice: fix}
	case sig := <-signals:
		// The server ends its clients, and they give the terminal back.
		stop := exec.Command(tmux, "-S", socket(config), "kill-server")
		if stop.Run() == nil {
			<-ended
		}
		return cli.Exit("", 128+int(sig.(syscall.Signal)))
	}
}

// socket is that of a tmux of its own, beside its configuration.
func socket(config string) string {
	return filepath.Join(filepath.Dir(config), "tmux")
}

// arguments are those of tmux: two shells, and the end when the person leaves.
func arguments(config, greeting string, columns int) (args []string) {
	split := "-v"
	if columns >= wide {
		split = "-h"
	}
	shell := []string{"bash", "--norc", "--noprofile"}
	greet := append([]string{
		"sh", "-c", `printf '%s\n\n' "$0"; exec "$@"`, greeting,
	}, shell...)
	command := func(words ...string) { args = append(args, append(words, ";")...) }
	args = []string{"-S", socket(config), "-f", config}
	command(append([]string{"new-session"}, greet...)...)
	command("select-pane", "-T", "terminal 1: stays on the host")
	command(append([]string{"split-window", split}, shell...)...)
	command("select-pane", "-T", "terminal 2: goes inside")
	command("set-option", "-g", "destroy-unattached", "on")
	return args[:len(args)-1]
}

// environment returns the variables of the terminals: the person's, with another prompt
// and PATH, no history that outlives them, and nothing of a tmux around.
func environment(mine []string, path string) (env []string) {
	for _, variable := range mine {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "PATH", "PS1", "HISTFILE", "PROMPT_COMMAND", "TMUX", "TMUX_PANE":
		default:
			env = append(env, variable)
		}
	}
	return append(env, "PATH="+path, "PS1="+page.HostPrompt+" ", "HISTFILE=")
}
