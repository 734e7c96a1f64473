//go:build linux

package common

import (
	"os/signal"

	"golang.org/x/sys/unix"
)

// A terminal remembers how the step found its controlling terminal. A shell inside
// makes its own process group the foreground one, and can't undo that when it ends:
// the group before is in a PID namespace that it doesn't see. tcsetpgrp(3).
type terminal struct {
	fd       int
	pgrp     int
	settings *unix.Termios
}

// openTerminal returns nil where there is nothing to give back: no controlling
// terminal, or a step in the background.
func openTerminal() *terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	pgrp, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err == nil && pgrp == unix.Getpgrp() {
		if settings, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			return &terminal{fd, pgrp, settings}
		}
	}
	unix.Close(fd)
	return nil
}

func inForeground() bool {
	t := openTerminal()
	if t == nil {
		return false
	}
	unix.Close(t.fd)
	return true
}

// restore makes the step's process group the foreground one again. A command that
// was killed had no chance to undo what it had set (no echo, say): then the settings
// are restored too.
func (t *terminal) restore(killed bool) {
	if t == nil {
		return
	}
	defer unix.Close(t.fd)
	// Only from a group that has died with the command: after Ctrl-Z and bg it is the
	// shell's that is in the foreground, and is to stay there.
	now, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil || now != t.pgrp && unix.Kill(-now, 0) != unix.ESRCH {
		return
	}
	// From the background both calls mean SIGTTOU, unless it is ignored. The child
	// has ended, so that nobody inherits this.
	signal.Ignore(unix.SIGTTOU)
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, t.pgrp)
	if killed {
		_ = unix.IoctlSetTermios(t.fd, unix.TCSETSW, t.settings)
	}
}
