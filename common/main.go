//go:build linux

package common

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
)

// Exit statuses of a step, those of env(1) and chroot(1). Any other is the command's
// own, or 128+n if signal n killed it.
const (
	StatusFailed        = 125 // the step itself failed, wrong usage included
	StatusNotExecutable = 126 // the command exists and can't be executed
	StatusNotFound      = 127 // the command isn't there
)

const helpTemplate = `usage: {{.Name}} {{.UsageText}}

{{if .VisibleCommands}}commands:{{template "visibleCommandTemplate" .}}

{{end}}options:{{template "visibleFlagTemplate" .}}
`

const commandHelpTemplate = `usage: {{.HelpName}} {{.UsageText}}
{{if .Description}}
{{.Description}}
{{end}}
options:{{template "visibleFlagTemplate" .}}
`

// Main runs one side of a step and exits with the step's status: parent in the
// process that a person started, child in the one that Start cloned, once the parent
// has released it. Both parse the same command line. Main adds the options --help and
// --verbose, and prints an error, once, with a hint on the fix.
// A program's own hints come before those of package cause.
func Main(app *cli.App, parent, child cli.ActionFunc, hints ...cause.Hint) {
	// A reader of the output that has gone away is no reason to end: write(2) fails.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	if isChild() {
		becomeChild(app.Name)
	} else {
		go catchStops() // takes about as long as reading the options
	}
	var jail string
	var root cause.Root
	app.UsageText = "[options] [cmd [arg...]]"
	app.Flags = append([]cli.Flag{&cli.BoolFlag{Name: "v", Aliases: []string{"verbose"},
		Usage: "say what parent and child do"}}, app.Flags...)
	Configure(app)
	app.Action = func(c *cli.Context) error {
		jail = c.String("chroot")
		if c.Bool("help") {
			return cli.ShowAppHelp(c)
		}
		if !isChild() {
			Parentf(c, "PID %d", os.Getpid())
			return parent(c)
		}
		_, err := await(socket())
		if err == nil {
			Childf(c, "PID %d", os.Getpid())
			if jail != "" {
				root = cause.KeepRoot() // a hint depends on the machine, not on the jail
			}
			err = child(c)
		}
		if err != nil && closed(socket()) { // the parent is gone
			removeAbandoned()
			return status(StatusFailed)
		}
		return err
	}
	err := app.Run(os.Args)
	report(os.Stderr, app.Name, err, hints,
		func() *cause.Facts { return cause.Gather(os.Args, jail, root) })
	os.Exit(exitStatus(err))
}

// Configure has an app parse its command line as all programs of this suite do: options
// end at the first word that is none, short ones combine, there is --help, errors are
// returned, those of usage as a UsageError. Set the app's UsageText, Flags and Action,
// and those of its Commands.
func Configure(app *cli.App) {
	app.Flags = append([]cli.Flag{helpFlag()}, app.Flags...)
	app.HideHelp = true
	cli.HelpFlag = nil             // it would take the command for a topic
	app.Compiled = time.Unix(0, 1) // or it is looked up, for nothing
	app.UseShortOptionHandling = true
	app.CustomAppHelpTemplate = helpTemplate
	out := &output{w: os.Stdout}
	app.Writer = out
	app.After = func(*cli.Context) error { return out.err } // the help's, which cli drops
	cli.FlagStringer = describe
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
		return &UsageError{errors.New(usageText(err.Error(), os.Args))}
	}
	app.ExitErrHandler = func(*cli.Context, error) {} // whoever called Run reports it
	for _, command := range app.Commands {
		configure(command, app.OnUsageError)
	}
}

// An output remembers its first error.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		var failed *fs.PathError
		if errors.As(err, &failed) {
			err = failed.Err
		}
		o.err = fmt.Errorf("write standard output: %v", err)
	}
	return n, err
}

// usageText puts an error of package flag into this suite's words, and the option in it
// as it was typed: --nosuch is -nosuch there.
func usageText(text string, typed []string) string {
	text = strings.NewReplacer(
		"flag provided but not defined", "no such option",
		"flag needs an argument", "option needs a value").Replace(text)
	before, option, ok := strings.Cut(text, " -")
	name, _, _ := strings.Cut(option, ":")
	if !ok || len(name) < 2 || strings.HasPrefix(name, "-") {
		return text
	}
	for _, word := range typed {
		if word == "-"+name || strings.HasPrefix(word, "-"+name+"=") {
			return text
		}
	}
	return before + " --" + option
}

func configure(command *cli.Command, onUsageError cli.OnUsageErrorFunc) {
	command.Flags = append([]cli.Flag{helpFlag()}, command.Flags...)
	command.HideHelp = true // or it has a command "help" of its own
	command.OnUsageError = onUsageError
	action := command.Action
	command.Action = func(c *cli.Context) error {
		for _, level := range c.Lineage() { // the app's too, as in "app --help command"
			if level.Bool("help") {
				cli.HelpPrinter(c.App.Writer, commandHelpTemplate, command)
				return nil
			}
		}
		return action(c)
	}
}

func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "h", Aliases: []string{"help"}, Usage: "show this help and exit"}
}

// describe returns a line of the help: "-u, --uts hostname", a tab, the usage.
func describe(f cli.Flag) string {
	option := f.(cli.DocGenerationFlag)
	value, usage := flag.UnquoteUsage(&flag.Flag{Usage: option.GetUsage()})
	if !option.TakesValue() {
		value = ""
	}
	short, long := "    ", f.Names()[0]
	if len(f.Names()) > 1 {
		short, long = "-"+f.Names()[0]+", ", f.Names()[1]
	}
	return fmt.Sprintf("%s--%s %s\t%s", short, long, value, usage)
}

// Parentf prints a "Parent: " line on stderr if the option --verbose is set.
func Parentf(c *cli.Context, format string, args ...any) { verbosef(c, "Parent: "+format, args) }

// Childf prints a " Child: " line on stderr if the option --verbose is set.
func Childf(c *cli.Context, format string, args ...any) { verbosef(c, " Child: "+format, args) }

func verbosef(c *cli.Context, format string, args []any) {
	if c.Bool("verbose") {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// NoOrYes checks the value of the option --ipc.
func NoOrYes(_ *cli.Context, value string) error {
	if value != "no" && value != "yes" {
		return &UsageError{fmt.Errorf("--ipc takes no or yes, not %q", value)}
	}
	return nil
}

// Hostname checks a hostname's length, in bytes: sethostname(2). That the kernel takes
// an empty one too helps nobody.
func Hostname(_ *cli.Context, value string) error {
	switch {
	case len(value) < 1 || len(value) > 64:
		return &UsageError{fmt.Errorf("a hostname has 1 to 64 bytes, this one %d", len(value))}
	case value[0] == '-':
		return &UsageError{fmt.Errorf("%s is no hostname: an option with a value comes last", value)}
	}
	return nil
}

// Failed returns the error of an operation on an object, as in "mount proc on /proc:
// operation not permitted". It unwraps to err, as a rule a unix.Errno.
func Failed(operation, object string, err error) error {
	if object == "" {
		object = `""`
	}
	return &fs.PathError{Op: operation, Path: object, Err: err}
}

// A UsageError is a command line that makes no sense.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// A status is the exit status of a child that has ended. There is nothing to report.
type status int

func (s status) Error() string { return "exit status " + strconv.Itoa(int(s)) }

func exitStatus(err error) int {
	var s status
	var failed *fs.PathError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return int(s)
	case !errors.As(err, &failed) || failed.Op != "exec":
		return StatusFailed
	case failed.Err == unix.ENOENT || failed.Err == unix.ENOTDIR:
		return StatusNotFound
	}
	return StatusNotExecutable
}

// report prints "program: operation object: errno", and beneath it the fix.
func report(w io.Writer, program string, err error, own []cause.Hint,
	gather func() *cause.Facts) {
	var s status
	var usage *UsageError
	if err == nil || errors.As(err, &s) {
		return
	}
	fmt.Fprintf(w, "%s: %s\n", program, Printable(err.Error()))
	if errors.As(err, &usage) {
		fmt.Fprintf(w, "  usage: %s [options] [cmd [arg...]]\n  see: %s --help\n",
			program, Quote(gather().Args[0]))
	} else if text := hint(err, gather(), own); text != "" {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(text, "\n", "\n  "))
	}
}
