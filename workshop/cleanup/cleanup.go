//go:build linux

// Package cleanup is the command workshop cleanup: it removes what a killed run of the
// programs of this suite has left.
package cleanup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nsteps/binlibdepcp/jail"
	"nsteps/internal/cmdline"
)

const description = `A killed run can leave the message queue /ipc_namespace, the
directory in which a chapter was played with its files in /dev/shm, the directory from
which binlibdepcp makes an image, and in a jail temporary files of binlibdepcp. Any run
leaves in a jail or an image the empty directories that it mounted something on: proc,
dev, run, sys and tmp. A killed run can leave the cgroup of step12-cgroup: cleanup ends
the processes in it. It can also leave other processes that the command started: cleanup
names these, and doesn't kill them. It leaves no mounts, because they end with the step's
MNT namespace.
Files stay if they are in use, belong to another user, or were made by other programs.

Exit status 1: something could not be removed or checked.`

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:        "cleanup",
		Usage:       "remove the leftovers of killed runs",
		UsageText:   "[options] [jail...]",
		Description: description,
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "n", Aliases: []string{"dry-run"},
				Usage: "list the leftovers, remove nothing",
			},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	if slices.Contains(c.Args().Slice(), "") {
		return &cmdline.UsageError{Err: errors.New("a jail without a name")}
	}
	for _, dir := range c.Args().Slice() {
		if isRoot(dir) {
			return &cmdline.UsageError{Err: fmt.Errorf(
				"%s is the root directory of this machine, not a jail", dir)}
		}
	}
	t := &tidier{dry: c.Bool("dry-run")}
	t.queue()
	t.chapters("/dev/shm")
	t.directories(os.TempDir(), jail.ImagePattern)
	t.cgroups()
	t.processes()
	for _, dir := range c.Args().Slice() {
		t.jail(dir)
	}
	if t.said == 0 && len(t.failed) == 0 {
		t.sayf("nothing is left by a killed run")
	}
	switch {
	case len(t.failed) > 0:
		return errors.Join(t.failed...)
	case t.remains:
		return cmdline.Status(1)
	}
	return nil
}

// isRoot reports whether a directory is the root directory, under any name.
func isRoot(dir string) bool {
	root, err1 := os.Stat("/")
	info, err2 := os.Stat(dir)
	return err1 == nil && err2 == nil && os.SameFile(root, info)
}

// A tidier tells what it finds as it goes.
type tidier struct {
	dry     bool
	said    int
	remains bool // of what a killed run has left
	failed  []error
}

func (t *tidier) sayf(format string, args ...any) {
	t.said++
	fmt.Fprintln(cmdline.Stdout, cmdline.Printable(fmt.Sprintf(format, args...)))
}

func (t *tidier) fail(err error) { t.failed = append(t.failed, err) }

// A reason is why something stays.
type reason string

func (r reason) Error() string { return string(r) }

// notMade is why something stays that no step has made.
type notMade struct{ reason }

func (n notMade) Unwrap() error { return n.reason }

var errDry = errors.New("not removed, as asked")

// removed tells what became of something that was to be removed.
func (t *tidier) removed(what string, err error) {
	var why reason
	switch {
	case err == nil:
		t.sayf("removed: %s", what)
	case errors.Is(err, errDry):
		t.remains = true
		t.sayf("would remove: %s", what)
	case errors.As(err, &why):
		t.sayf("left: %s: %s", what, why)
	default:
		t.fail(err)
	}
}

// jail tidies a directory up that was given.
func (t *tidier) jail(dir string) {
	root, err := jail.Open(dir)
	if err != nil {
		t.fail(err)
		return
	}
	defer root.Close()
	err = root.Leftovers(func(name string, remove func() error) {
		if t.dry {
			remove = func() error { return errDry }
		}
		t.removed("temporary file "+name, remove())
	})
	if err != nil {
		t.fail(err)
	}
	for _, name := range []string{"/proc", "/dev", "/run", "/sys", "/tmp"} {
		err := t.place(root, dir, name)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case name != "/proc" && errors.As(err, new(notMade)): // an image's own
		default:
			t.removed("directory "+strings.TrimRight(dir, "/")+name, err)
		}
	}
}
