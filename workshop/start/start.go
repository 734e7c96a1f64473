//go:build linux

// Package start is the command workshop start: it opens the two terminals of a chapter.
package start

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/job"
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
own. All of it ends when both shells have ended, or with Ctrl-b d (in a tmux or screen of
your own: Ctrl-t d). Without tmux, start prints what to type.`

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
	again := "start"
	if c.Args().Present() {
		var err error
		if chapter, err = play.Chapter(c.Args().First()); err != nil {
			return err
		}
		again += " " + chapter.Name
	}
	bin, err := become.Programs()
	if err != nil {
		return err
	}
	if chapter != nil {
		if err := become.Lacking(chapter); err != nil {
			return err
		}
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
		if chapter != nil && chapter.NeedsRoot {
			return become.NeedsRoot(chapter, again)
		}
		return become.Root(again, func() error { return nil })
	}
	err = open(tmux, bin, greeting(chapter, bin, advice.Me()), columns)
	return explained(err, tmux, again)
}

// explained adds the fix to what keeps tmux from running. again is this command.
func explained(err error, tmux, again string) error {
	var failed *exec.ExitError
	var status cmdline.Status
	switch {
	case errors.As(err, &failed):
		// It has printed why: an unknown terminal, or a path too long for a socket.
		fix := "TERM=xterm TMPDIR=/tmp " + advice.Me().Call("workshop", again)
		return &advice.Error{Err: fmt.Errorf("%s: %w", tmux, err), Advice: fix}
	case err == nil, errors.As(err, &status):
		return err
	}
	return &advice.Error{Err: err, Advice: play.Doctor()}
}

// instructions are what a person types who has no tmux.
func instructions(why, bin string, me advice.Person) string {
	root, rootless := "", ""
	if !me.Root {
		root, rootless = "  sudo -s\n", `
Without sudo, leave out the first line. Then type at the end, into terminal 1:

  unshare --user --map-root-user --uts --ipc bash --norc
  echo $$ >terminal1

And into terminal 2:

  nsenter -t $(cat terminal1) -U -u -i --preserve-credentials bash --norc
`
	}
	return why + ` Open two terminals, and type into both:

` + root + `  mkdir -p ~/nsteps && cd ~/nsteps
  export PATH=` + cmdline.Quote(bin) + `:$PATH:/usr/sbin:/sbin
  export PS1='host# '
` + rootless
}

// greeting is what terminal 1 shows first.
func greeting(chapter *page.Chapter, bin string, me advice.Person) string {
	where := "This is terminal 1. It stays on the host. In terminal 2 you go inside."
	if me.UserNS {
		where += " You are root in a user namespace."
	}
	if chapter == nil {
		return where
	}
	file := "docs/" + chapter.Name + ".md"
	// The terminals are in another directory than the person was.
	if path := filepath.Join(filepath.Dir(bin), file); exists(path) {
		file = path
	}
	return fmt.Sprintf("%s\nThe page: %s\n%s", chapter.Title, file, where)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

//go:embed tmux.conf
var conf string

// configuration returns that of tmux. In another tmux, Ctrl-b would go to that one.
func configuration(nested bool) string {
	if nested {
		return strings.NewReplacer("C-b", "C-t", "Ctrl-b", "Ctrl-t").Replace(conf)
	}
	return conf
}

// nested reports whether this terminal is one of tmux or screen. sudo(8) removes TMUX.
func nested() bool {
	term := os.Getenv("TERM")
	return os.Getenv("TMUX") != "" || strings.HasPrefix(term, "tmux") ||
		strings.HasPrefix(term, "screen")
}

// wide is how many columns the two terminals need side by side.
const wide = 160

// open runs tmux until both shells have ended, or until the person leaves.
func open(tmux, bin, greeting string, columns int) (err error) {
	// Caught to the end: when a terminal is closed, its shell sends SIGHUP, and then the
	// kernel does too.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	job.TakeQuit()
	if settings, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		defer play.SetTerminal(settings)
	}
	room, err := session.NewRoom()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	work, config := filepath.Join(room.Dir, "work"), filepath.Join(room.Dir, "tmux.conf")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(configuration(nested())), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := client(ctx, tmux, arguments(config, greeting, columns))
	cmd.Dir = work
	cmd.Env = environment(os.Environ(), session.Path(bin))
	room.Share(cmd)

	ended := make(chan error, 1)
	go func() { ended <- session.Host(cmd.Run) }()
	select {
	case err := <-ended:
		return err
	case sig := <-signals:
		cancel()
		<-ended
		return cmdline.Status(128 + int(sig.(syscall.Signal)))
	}
}

// client returns the command that starts tmux: its client, which starts the server. When
// the context or this process ends, the client ends, by SIGTERM. It gives the terminal
// back, and the server ends without a client.
func client(ctx context.Context, tmux string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, tmux, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The thread that starts it lives until it has ended, see session.Host.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
	cmd.Cancel = func() error {
		return errors.Join(cmd.Process.Signal(unix.SIGTERM),
			cmd.Process.Signal(unix.SIGCONT)) // it may be stopped
	}
	cmd.WaitDelay = 2 * time.Second // then SIGKILL
	return cmd
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
// and PATH, and nothing of a tmux around. With an empty HISTFILE a bash keeps its history
// in memory, unless a startup file sets the variable.
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
