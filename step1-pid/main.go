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
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//
// New in this step: CLONE_NEWPID of clone(2). The command is PID 1 of a new PID
// namespace. ps still lists the host's processes, because ps reads /proc, and /proc is
// still the host's.
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
		// The child is PID 1 of the new namespace. The parent stays in its own.
		flags |= unix.CLONE_NEWPID
	}

	process, err := common.Start(c, flags)
	if err != nil {
		return err
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// child runs in the new namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	return common.Exec(c)
}
