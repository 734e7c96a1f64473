//go:build linux

package job

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// A terminal is the controlling terminal of the step, with what has to be given back.
// A shell inside makes its own process group the foreground group, and can't undo that
// when it ends: the group before is in a PID namespace that it doesn't see
// (tcsetpgrp(3)). A nil terminal is none.
type terminal struct {
	fd       int
	group    int           // the step's process group, 0 if it is outside the namespace
	settings *unix.Termios // as the step found them, nil until it is in the foreground
	empty    bool          // the foreground group had no members at the last tick
	whole    bool          // standard input and output are terminals
	held     atomic.Bool   // the step was in the foreground, and hasn't left it since
}

// openTerminal returns nil if there is no controlling terminal.
func openTerminal() *terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	t := &terminal{fd: fd, group: unix.Getpgrp(), whole: isTerminal(0) && isTerminal(1)}
	t.remember()
	return t
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// remember notes that the step is in the foreground, and the settings when it is there
// for the first time. In a pipeline, another program may set them: less(1), for example.
func (t *terminal) remember() {
	if t == nil || t.front() != t.group {
		return
	}
	t.held.Store(true)
	if t.settings == nil && t.whole {
		t.settings, _ = unix.IoctlGetTermios(t.fd, unix.TCGETS)
	}
}

// resume follows a stop: a shell may have started another job meanwhile. The foreground
// group before the stop shows whether it has.
func (t *terminal) resume(before int) {
	if t == nil {
		return
	}
	if t.front() != before {
		t.held.Store(false)
	}
	t.remember()
}

// front returns the foreground process group, 0 if it is outside this PID namespace.
func (t *terminal) front() int {
	if t == nil {
		return -1
	}
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// inForeground is false where it can't be known, in a PID namespace.
func (t *terminal) inForeground() bool {
	return t != nil && t.group > 0 && t.front() == t.group
}

// abandoned reports whether the foreground group has no members any more.
func (t *terminal) abandoned() bool {
	front := t.front()
	return front > 1 && unix.Kill(-front, 0) == unix.ESRCH
}

// takeBack makes the step's process group the foreground group, if the one before has
// no members any more. It reports whether it did. A step in the background never had the
// terminal.
func (t *terminal) takeBack() bool {
	if t == nil || t.group <= 0 || !t.held.Load() || !t.abandoned() {
		return false
	}
	t.set(t.group)
	return true
}

// giveTo makes a process group the foreground group, if the step's group is it now.
func (t *terminal) giveTo(group int) {
	if t.inForeground() && group != t.group {
		t.set(group)
	}
}

// set makes a process group the foreground group. From the background that means
// SIGTTOU, unless the calling thread blocks it.
func (t *terminal) set(group int) {
	defer linux.BlockTTOU()()
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
}

// ticks returns when to look at the foreground group. Nothing tells the step that a
// shell inside has ended and left its own group there, without members; then Ctrl-C and
// Ctrl-Z reach nobody. So the step looks four times a second, which costs three system
// calls each time.
func (t *terminal) ticks() <-chan time.Time {
	if t == nil || t.group <= 0 {
		return nil
	}
	return time.Tick(250 * time.Millisecond)
}

// tick takes the terminal back from a group that has had no members for two ticks: a
// shell that waits for its next command has none in the foreground for a moment. In the
// background, the terminal is the business of the shell there.
func (t *terminal) tick() {
	if t.front() == t.group {
		t.held.Store(true)
	}
	empty := t.abandoned()
	if empty && t.empty {
		t.takeBack()
	}
	t.empty = empty
}

// restore gives the terminal back at the end. The settings are restored if the command
// had no chance to undo its own (no echo, for example).
func (t *terminal) restore(settings bool) {
	if t == nil {
		return
	}
	// A foreground group with members is to stay: after Ctrl-Z and bg it is the shell's.
	t.takeBack()
	if settings && t.settings != nil && t.front() == t.group {
		defer linux.BlockTTOU()()
		_ = unix.IoctlSetTermios(t.fd, unix.TCSETS, t.settings)
	}
	unix.Close(t.fd)
}
