//go:build linux

package common

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
	"nsteps/internal/job"
	"nsteps/internal/linux"
)

// A Hint says why an operation failed, and which command fixes it.
type Hint = cause.Hint

// Main runs one side of a step and exits with the step's status: parent in the process
// that a person started, child in the process that Start cloned, when the parent has
// released it. Both parse the same command line. Main adds the options --help and
// --verbose, and prints an error, once, with a hint on the fix. A program's own hints
// come before those of package cause.
func Main(app *cli.App, parent, child cli.ActionFunc, hints ...Hint) {
	// A reader of the output that has gone away is no reason to end: write(2) fails. Exec
	// gives the command the default action again. signal.Notify would start a thread.
	signal.Ignore(unix.SIGPIPE)
	if isChild() {
		becomeChild(app.Name)
	} else {
		go job.CatchStops() // takes about as long as reading the options
	}
	var jail string
	var root cause.Root
	app.Usage = cmp.Or(app.Usage,
		"run a command in the new namespaces that the options name")
	app.UsageText = "[options] [cmd [arg...]]"
	app.Flags = append([]cli.Flag{&cli.BoolFlag{
		Name: "v", Aliases: []string{"verbose"},
		Usage: "print what parent and child do",
	}}, app.Flags...)
	cmdline.Configure(app)
	app.Action = func(c *cli.Context) error {
		// A hint puts a name such as /proc behind the directory.
		jail = cmp.Or(c.String("chroot"), strings.TrimRight(c.String("root"), "/"))
		if c.Bool("help") {
			return cli.ShowAppHelp(c)
		}
		if !isChild() {
			Parentf(c, "PID %d", os.Getpid())
			return parent(c)
		}
		err := becomeReady()
		if err == nil {
			_, err = await(socket())
		}
		if err == nil {
			Childf(c, "PID %d", os.Getpid())
			if jail != "" {
				root = cause.KeepRoot() // a hint depends on the machine, not on the jail
			}
			err = child(c)
		}
		if err != nil && closed(socket()) { // the parent is gone, and has said why
			removeAbandoned()
			return errGone
		}
		return err
	}
	err := cmdline.Run(app, os.Args)
	report(os.Stderr, app.Name, err, hints,
		func() *cause.Facts { return cause.Gather(os.Args, jail, root) })
	os.Exit(cmdline.ExitStatus(err))
}

// report prints "program: operation object: errno", and the fix on the next line.
func report(w io.Writer, program string, err error, own []Hint,
	gather func() *cause.Facts,
) {
	var s cmdline.Status
	var usage *cmdline.UsageError
	var failed *fs.PathError
	var errno syscall.Errno
	fix := ""
	switch {
	case err == nil || errors.As(err, &s):
		return
	case errors.As(err, &usage):
		fix = fmt.Sprintf("usage: %s [options] [cmd [arg...]]\nsee: %s --help",
			program, cmdline.Quote(gather().Args[0]))
	case errors.As(err, &failed) && errors.As(failed.Err, &errno):
		fix = gather().Explain(failed.Op, failed.Path, errno, own...).String()
	}
	cmdline.Report(w, program, err, fix)
}

// Failed returns the error of an operation on an object, for example "mount proc on
// /proc: operation not permitted". It unwraps to err, in most cases a unix.Errno.
func Failed(operation, object string, err error) error {
	return linux.Failed(operation, object, err)
}

// Parentf prints a "Parent: " line on stderr if the option --verbose is set.
func Parentf(c *cli.Context, format string, args ...any) {
	verbosef(c, "Parent: "+format, args)
}

// Childf prints a " Child: " line on stderr if the option --verbose is set.
func Childf(c *cli.Context, format string, args ...any) {
	verbosef(c, " Child: "+format, args)
}

func verbosef(c *cli.Context, format string, args []any) {
	if c.Bool("verbose") {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// CheckNoOrYes checks the value of the option --ipc.
func CheckNoOrYes(_ *cli.Context, value string) error {
	if value != "no" && value != "yes" {
		return cmdline.Usagef("--ipc needs no or yes, not %q", value)
	}
	return nil
}

// CheckHostname checks a hostname's length, in bytes (sethostname(2)). The kernel accepts
// an empty hostname too, but an empty hostname helps nobody.
func CheckHostname(_ *cli.Context, value string) error {
	switch {
	case len(value) < 1 || len(value) > 64:
		return cmdline.Usagef("a hostname has 1 to 64 bytes, this one %d", len(value))
	case value[0] == '-':
		return cmdline.Usagef("%s is not a hostname: an option with a value comes last",
			value)
	}
	return nil
}
