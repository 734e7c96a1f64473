//go:build linux

// Step15-time runs a command in new PID and TIME namespaces.
//
// Usage:
//
//	step15-time [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-t, --time duration      new TIME namespace, with clocks ahead by that duration
//
// New in this step: unshare(2) with CLONE_NEWTIME. The command sees a machine that was
// booted at another time. The date stays the host's, because no namespace has a date.
package main

import (
	"errors"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/clocks"
	"nsteps/common"
)

// unshare(2) is for one thread. The main thread calls it, and clones the child.
func init() { runtime.LockOSThread() }

func main() {
	common.Main(&cli.App{
		Name: "step15-time",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.StringFlag{Name: "t", Aliases: []string{"time"}, Action: clocks.Check,
				Usage: "new TIME namespace, with clocks ahead by that `duration`"},
		},
	}, parent, child, clocks.Hints...)
}

// parent clones the child into the namespaces asked for, and waits for it.
func parent(c *cli.Context) error {
	var flags uintptr
	if c.Bool("pid") {
		// The child is PID 1 of the new namespace. The parent stays in its own.
		flags |= unix.CLONE_NEWPID
	}
	if c.IsSet("time") && !clocks.Inside() {
		if err := setClocks(c, c.String("time")); err != nil {
			return err
		}
	}

	process, err := common.Start(c, flags)
	if c.IsSet("time") && !clocks.Inside() && errors.Is(err, unix.EINVAL) {
		return clocks.Copy(c) // this kernel needs another way to clone
	}
	if err != nil {
		return err
	}
	process.Release() // the child has waited for this
	return process.Wait()
}

// setClocks makes a TIME namespace, and sets its clocks. The caller stays outside, or its
// clocks would jump. Its children are inside.
func setClocks(c *cli.Context, ahead string) error {
	// clone(2) has no bit left for this flag.
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return common.Failed("unshare", "CLONE_NEWTIME", err)
	}
	// The clocks can be set until the first process is inside (time_namespaces(7)). This
	// file is the main thread's.
	const file = "/proc/self/timens_offsets"
	if err := os.WriteFile(file, []byte(clocks.Offsets(ahead)), 0); err != nil {
		return err
	}
	common.Parentf(c, "set the clocks of the child ahead by %s", ahead)
	return nil
}

// child runs in the new namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	return common.Exec(c)
}
