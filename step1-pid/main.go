//go:build linux

// Step1-pid runs a command in a new PID namespace.
//
// Usage:
//
//	step1-pid [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            say what parent and child do
//	-p, --pid                new PID namespace
//
// New in this step: CLONE_NEWPID of clone(2). The command is PID 1 of a PID namespace,
// yet ps lists the host's processes, or fails to find itself: it reads /proc, and that
// is the host's.
package main

import (
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
)

func main() {
	common.Main(&cli.App{
		Name: "step1-pid",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
		},
	}, parent, child)
}

// parent clones the child into the namespaces asked for, and waits for it.
func parent(c *cli.Context) error {
	var flags uintptr
	if c.Bool("pid") {
		// The child is PID 1 in there; the parent stays where it is.
		flags |= unix.CLONE_NEWPID
	}

	process, err := common.Start(c, flags)
	if err != nil {
		return err
	}
	process.Release() // it has waited, so that the lines of both keep one order
	return process.Wait()
}

// child runs in the new namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	return common.Exec(c)
}
