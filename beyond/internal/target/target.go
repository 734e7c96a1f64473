//go:build linux

// Package target is what join needs beside its lesson: the options, the process whose
// namespaces are joined, and a fork of one thread.
package target

import (
	"errors"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// Options returns the options: the target, and a letter for each kind of namespace.
func Options() []cli.Flag {
	options := []cli.Flag{&cli.IntFlag{
		Name: "t", Aliases: []string{"target"},
		Usage: "`PID` of the process whose namespaces to join",
	}}
	for _, o := range [][3]string{
		{"p", "pid", "join its PID namespace"},
		{"m", "mnt", "join its MNT namespace, and take its root directory"},
		{"u", "uts", "join its UTS namespace"},
		{"n", "net", "join its NET namespace"},
		{"i", "ipc", "join its IPC namespace"},
		{"U", "user", "join its USER namespace"},
		{"C", "cgroup", "join its CGROUP namespace"},
		{"T", "time", "join its TIME namespace"},
	} {
		options = append(options,
			&cli.BoolFlag{Name: o[0], Aliases: []string{o[1]}, Usage: o[2]})
	}
	return options
}

// A Target is a process whose namespaces are joined.
type Target struct {
	PID   int
	PIDFD int // -1 until it is open
}

// variable has the number of the pidfd for this program when it is executed again.
const variable = "NSTEPS_TARGET"

// New returns the target that the option --target names. It is open if this program has
// opened it before it was executed again.
func New(c *cli.Context) (*Target, error) {
	t := &Target{PID: c.Int("target"), PIDFD: -1}
	if t.PID < 1 || t.PID > math.MaxInt32 {
		return t, cmdline.Usagef("--target takes the PID of a process: join -t PID sh")
	}
	if pidfd, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		t.PIDFD = pidfd
	}
	return t, nil
}

// IsOpen reports whether the target has a pidfd.
func (t *Target) IsOpen() bool { return t.PIDFD >= 0 }

// Bequeath keeps the pidfd, also for this program when it is executed again.
func (t *Target) Bequeath(pidfd int) {
	t.PIDFD = pidfd
	os.Setenv(variable, strconv.Itoa(pidfd))
	_, _ = unix.FcntlInt(uintptr(pidfd), unix.F_SETFD, 0)
}

// Close closes the pidfd when the command is executed.
func (t *Target) Close() { unix.CloseOnExec(t.PIDFD) }

// Namespaces returns the flags of the namespaces to join: those that the options name, or
// all. A namespace that this process is in already is left out, because setns(2) would
// need a privilege for it too.
func (t *Target) Namespaces(c *cli.Context) (flags uintptr, err error) {
	named := func(kind linux.Kind) bool { return c.Bool(kind.File) }
	all := !slices.ContainsFunc(linux.Kinds, named)
	for _, kind := range linux.Kinds {
		if !kind.Supported() || !all && !named(kind) {
			continue
		}
		same, err := t.shares("ns/" + kind.File)
		if kind.Flag == unix.CLONE_NEWNS && same { // but perhaps in a jail
			same, err = t.shares("root")
		}
		if err != nil {
			return 0, err
		}
		if !same {
			flags |= kind.Flag
		}
	}
	return flags, nil
}

// shares reports whether a file of this process in /proc/PID is the target's, too.
func (t *Target) shares(file string) (bool, error) {
	var ours, theirs unix.Stat_t
	if err := unix.Stat("/proc/self/"+file, &ours); err != nil {
		return false, common.Failed("stat", "/proc/self/"+file, err)
	}
	name, err := linux.FindProc(t.PIDFD, file)
	if err != nil {
		return false, err
	}
	err = unix.Stat(name, &theirs)
	return ours.Dev == theirs.Dev && ours.Ino == theirs.Ino, t.failed(err)
}

// Dir opens a directory of the target: its "root", or its working directory, "cwd".
func (t *Target) Dir(name string) (fd int, err error) {
	file, err := linux.FindProc(t.PIDFD, name)
	if err != nil {
		return -1, err
	}
	fd, err = unix.Open(file, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return fd, t.failed(err)
}

// failed returns the error of a look at the target's files in /proc. A process that has
// ended has no namespaces any more, even as a zombie.
func (t *Target) failed(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENOENT) {
		err = unix.ESRCH
	}
	return common.Failed("look at the namespaces of", strconv.Itoa(t.PID), err)
}

// Names returns the names of the flags and the PID, for example "CLONE_NEWNET of 4711".
func (t *Target) Names(flags uintptr) string {
	return linux.FlagNames(flags) + " of " + strconv.Itoa(t.PID)
}
