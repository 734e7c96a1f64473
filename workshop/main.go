//go:build linux

// Workshop is the companion of the steps, for attendees and instructors.
//
// Usage:
//
//	workshop command [options] [arg...]
//
// Commands:
//
//	doctor   check whether this machine can run every step, and print fixes
//	demo     show all steps in 90 seconds, the host beside the container
//	start    open the two terminals of a chapter
//	play     play a chapter in the terminal, its commands run for real
//	verify   check whether a process meets the goal of a chapter
//	ns       show the namespaces of processes side by side
//	diff     show the lines that a step adds to the step before
//	trace    run a command, and show its calls for namespaces
//	cleanup  remove the leftovers of killed runs
//
// Each command has its own --help.
//
// The exit status is 0, or 1 if something failed or was found (the help of each command
// says which), or 125 for wrong usage. trace ends with the status of its command.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/job"
	"nsteps/workshop/advice"
	"nsteps/workshop/cleanup"
	"nsteps/workshop/diff"
	"nsteps/workshop/doctor"
	"nsteps/workshop/ns"
	"nsteps/workshop/play"
	"nsteps/workshop/start"
	"nsteps/workshop/trace"
	"nsteps/workshop/verify"
)

func main() {
	// A reader of the output that has gone away is an error of write(2), and said.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	job.EndByQuit()
	app := &cli.App{
		Name:      "workshop",
		Usage:     "check the machine, play chapters, and look at namespaces",
		UsageText: "command [options] [arg...]",
		Commands: []*cli.Command{
			doctor.Command(), play.Demo(), start.Command(), play.Command(), verify.Command(),
			ns.Command(), diff.Command(), trace.Command(), cleanup.Command(),
		},
	}
	app.Action = func(c *cli.Context) error {
		if c.Args().Present() {
			return &cmdline.UsageError{
				Err: fmt.Errorf("no such command: %s; there are %s",
					c.Args().First(), names(app.Commands)),
			}
		}
		return cli.ShowAppHelp(c)
	}
	cmdline.Configure(app)
	command := called(app.Commands, os.Args)
	args := os.Args
	if command != nil && command.Name != trace.Name {
		args = append(args[:2:2], optionsFirst(command.Flags, args[2:])...)
	}
	os.Exit(report(cmdline.Run(app, args), command))
}

// optionsFirst moves the options of a command in front of its operands, which package
// cli requires. A person who thinks of an option late types it last. This is not for the
// command trace: the options behind its operand belong to another command line.
func optionsFirst(flags []cli.Flag, args []string) []string {
	var options, operands []string
	for i := 0; i < len(args); i++ {
		switch word := args[i]; {
		case word == "--":
			operands = append(operands, args[i+1:]...)
			i = len(args)
		case len(word) < 2 || word[0] != '-':
			operands = append(operands, word)
		default:
			options = append(options, word)
			if !needsValue(flags, word) {
				continue
			}
			if i++; i == len(args) {
				return options // or "--" would be the value that is missing
			}
			options = append(options, args[i])
		}
	}
	return append(append(options, "--"), operands...)
}

// needsValue reports whether the value of an option is the next word: of "--section" and
// of "-as", not of "--section=one".
func needsValue(flags []cli.Flag, word string) bool {
	name := strings.TrimLeft(word, "-")
	if !strings.HasPrefix(word, "--") {
		name = name[len(name)-min(len(name), 1):]
	}
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f.(cli.DocGenerationFlag).TakesValue()
		}
	}
	return false
}

// called returns the command that stands on a command line, nil if there is none.
func called(commands []*cli.Command, args []string) *cli.Command {
	if len(args) < 2 {
		return nil
	}
	for _, command := range commands {
		if command.HasName(args[1]) {
			return command
		}
	}
	return nil
}

func names(commands []*cli.Command) string {
	var names []string
	for _, command := range commands {
		names = append(names, command.Name)
	}
	return strings.Join(names, ", ")
}

// report prints the errors of a command, and returns the exit status.
func report(err error, command *cli.Command) int {
	name := ""
	if command != nil {
		name = command.Name
	}
	var usage *cmdline.UsageError
	var status cmdline.Status
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		help := advice.Me().Call("workshop", strings.TrimPrefix(name+" --help", " "))
		cmdline.Report(os.Stderr, "workshop", err, "see: "+help)
		return cmdline.StatusFailed
	case errors.As(err, &status):
		return int(status)
	}
	denied := false
	for _, err := range cmdline.Flatten(err) {
		fix := ""
		var advised *advice.Error
		if errors.As(err, &advised) {
			fix = advised.Advice
		} else if errors.Is(err, fs.ErrPermission) { // EACCES and EPERM
			denied = true
		}
		cmdline.Report(os.Stderr, "workshop", err, fix)
	}
	if me := advice.Me(); denied && !me.Root {
		fmt.Fprintf(os.Stderr, "  be root: %s\n", me.AsRoot("workshop", name))
	}
	return 1
}
