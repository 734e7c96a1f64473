//go:build linux

package play

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// keysHelp is what the keys do, for the help and for the screen.
const keysHelp = `Enter, space   the next command; during typing, the rest of the line
f, →           the next section
b, ←           the start of this section; again: the section before
q              the end`

// A key is what a person has asked for with a key.
type key int

const (
	none    key = iota // the time is over
	goOn               // Enter, space bar
	forward            // f, →
	back               // b, ←
	quit               // q, or the terminal is gone
)

var (
	errQuit    = errors.New("the person has ended it")
	errForward = errors.New("the person goes to the next section")
	errBack    = errors.New("the person goes back")
)

// errors of the keys that don't go on.
var keyErrors = map[key]error{quit: errQuit, forward: errForward, back: errBack}

// A keyboard reads single keys from the terminal that stdin is. Ctrl-C and Ctrl-Z keep
// their meaning.
type keyboard struct {
	before, single unix.Termios
	continued      chan os.Signal // after Ctrl-Z, when the shell has set what it likes
}

func openKeyboard() (*keyboard, error) {
	before, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("the terminal's settings: %w", err)
	}
	k := &keyboard{before: *before, single: *before, continued: make(chan os.Signal, 1)}
	k.single.Lflag &^= unix.ICANON | unix.ECHO
	k.single.Cc[unix.VMIN], k.single.Cc[unix.VTIME] = 1, 0
	signal.Notify(k.continued, unix.SIGCONT)
	SetTerminal(&k.single)
	return k, nil
}

func (k *keyboard) close() {
	signal.Stop(k.continued)
	SetTerminal(&k.before)
}

// wait waits for a key that means something, for some time, or for good if that is
// negative.
func (k *keyboard) wait(ctx context.Context, limit time.Duration) (key, error) {
	for began := time.Now(); ; {
		left := 50 * time.Millisecond
		if limit >= 0 {
			left = min(left, limit-time.Since(began))
		}
		select {
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-k.continued:
			SetTerminal(&k.single)
		default:
		}
		if left <= 0 {
			return none, nil
		}
		if !readable(left) {
			continue
		}
		b, err := readByte()
		if err != nil {
			return quit, nil
		}
		if pressed := meaning(b); pressed != none {
			return pressed, nil
		}
	}
}

// meaning returns what a byte from the keyboard asks for.
func meaning(b byte) key {
	switch b {
	case '\n', '\r', ' ':
		return goOn
	case 'f':
		return forward
	case 'b':
		return back
	case 'q':
		return quit
	case 0x1b: // an arrow key sends ESC [ C, or ESC O C
		var last byte
		for readable(20 * time.Millisecond) {
			if last, _ = readByte(); last != '[' && last != 'O' {
				break
			}
		}
		return map[byte]key{'C': forward, 'D': back}[last]
	}
	return none
}

func readable(limit time.Duration) bool {
	ready := []unix.PollFd{{Fd: 0, Events: unix.POLLIN}}
	n, err := unix.Poll(ready, max(1, int(limit.Milliseconds())))
	return err == nil && n > 0
}

// readByte reads a byte of stdin. The end of stdin is an error.
func readByte() (byte, error) {
	b := make([]byte, 1)
	switch n, err := unix.Read(0, b); {
	case err == unix.EINTR || err == unix.EAGAIN:
		return 0, nil
	case err != nil || n == 0:
		return 0, errQuit
	}
	return b[0], nil
}

// SetTerminal sets the terminal's settings. In the background, after Ctrl-Z, they are the
// business of the shell there.
func SetTerminal(to *unix.Termios) {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err == nil && group != unix.Getpgrp() {
		return
	}
	defer linux.BlockTTOU()() // the shell may take the terminal right now
	_ = unix.IoctlSetTermios(0, unix.TCSETSW, to)
}
