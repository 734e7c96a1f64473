//go:build linux

package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is a pseudo-terminal's controlling side.
type terminal struct {
	file    *os.File
	changed chan struct{} // that there is more to read
	shells  []int         // process groups of the shells, each started in the one before
	open    bool          // a program may be running that wasn't waited for
	asked   bool          // it is a builtin command of the shell, and has printed something
	opening string        // the prompt of the shell that the last command starts
	prompt  string        // of the shell that waits for a line

	mu     sync.Mutex
	buffer []byte
	ended  bool
}

func (t *terminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := t.file.Read(b)
		t.mu.Lock()
		t.buffer = append(t.buffer, b[:n]...)
		t.ended = err != nil
		t.mu.Unlock()
		select {
		case t.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// text returns what has been printed since take.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return plainText(t.buffer)
}

// plainText returns what a terminal shows, without colours: some builds of ip(8) colour
// what they print to any terminal.
func plainText(b []byte) string {
	return escapes.ReplaceAllString(strings.ReplaceAll(string(b), "\r\n", "\n"), "")
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// foreground returns the process group that the terminal belongs to, or 0 if there is
// none (tcgetpgrp(3)).
func (t *terminal) foreground() (group int) {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) {
		group, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP)
	})
	return group
}

// atShell reports whether one of the shells has the terminal, and no other program.
func (t *terminal) atShell() bool { return slices.Contains(t.shells, t.foreground()) }

// waits reports whether a program has the terminal, or a builtin command of the shell
// that has asked for a line.
func (t *terminal) waits() bool { return t.asked || !t.atShell() }

// opened reports whether the last command has started its shell, which waits for a line.
func (t *terminal) opened(text string) bool {
	return t.opening != "" && started(text, t.opening) && !t.atShell()
}

// settled forgets the shells that have ended: the terminal has been given back to the one
// in which they were started.
func (t *terminal) settled() {
	if i := slices.Index(t.shells, t.foreground()); i >= 0 {
		t.shells = t.shells[:i+1]
	}
}

// take returns text, and forgets it.
func (t *terminal) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := plainText(t.buffer)
	t.buffer = nil
	return text
}

// settle returns when nothing has been printed for a time.
func (t *terminal) settle(ctx context.Context, still time.Duration) {
	for {
		select {
		case <-t.changed:
		case <-ctx.Done():
			return
		case <-time.After(still):
			return
		}
	}
}

// wait waits until done holds for what is printed and returns that.
func (t *terminal) wait(ctx context.Context, limit time.Duration,
	done func(string) bool,
) (string, error) {
	return t.waitQuiet(ctx, limit, 0, done)
}

// waitQuiet is wait, and also ends, without an error, when nothing more comes for some
// time, unless that is 0.
func (t *terminal) waitQuiet(ctx context.Context, limit, quiet time.Duration,
	done func(string) bool,
) (string, error) {
	timeout := time.After(limit)
	var pause <-chan time.Time // nil is never
	for {
		if quiet > 0 {
			pause = time.After(quiet)
		}
		text := t.text()
		if done(text) {
			// what looks like a prompt may be half a line
			t.settle(ctx, 10*time.Millisecond)
			if again := t.text(); again == text {
				return text, nil
			}
			continue
		}
		t.mu.Lock()
		ended := t.ended
		t.mu.Unlock()
		if ended {
			return text, errors.New("the first shell of the terminal has ended")
		}
		select {
		case <-t.changed:
		case <-ctx.Done():
			return text, context.Cause(ctx)
		case <-timeout:
			return text, fmt.Errorf("it takes longer than %s", limit)
		case <-pause:
			return text, nil
		}
	}
}
