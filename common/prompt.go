//go:build linux

package common

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// maxLine bounds what readLine keeps of a line, in bytes.
const maxLine = 4096

// Ask asks the person for a line of at most size bytes. It returns "" if there is
// none, or one too late; what it makes of the answer it tells in a sentence. What
// follows the line on standard input stays there, for the command.
func Ask(what string, size int) (string, error) {
	// Ctrl-C and Ctrl-\ are the parent's to answer: it ends the run.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGQUIT)
	fmt.Fprintf(os.Stderr, " Child: %s, up to %d bytes, within %.0f s:\n", what, size, limit.Seconds())
	line, err := readLine()
	switch {
	case errors.Is(err, io.EOF):
		fmt.Println(" Child: end of input, so nothing to send")
	case errors.Is(err, os.ErrDeadlineExceeded):
		fmt.Println(" Child: the parent waits no longer")
	case err != nil:
		return "", err
	case line == "":
		fmt.Println(" Child: an empty line, so nothing to send")
	case len(line) > size:
		line = truncate(line, size)
		fmt.Printf(" Child: a line of more than %d bytes: sending the first %d\n", size, len(line))
	}
	return line, nil
}

// readLine reads a line, without its end, byte by byte: more would be the command's.
// The error is io.EOF if there is none, and os.ErrDeadlineExceeded if the parent
// takes its turn before there is one.
func readLine() (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		ready, err := poll(-1, 0, socket())
		switch {
		case err != nil:
			return "", Failed("poll", "standard input", err)
		case ready[1]&unix.POLLHUP != 0:
			return "", errGone
		case ready[1] != 0:
			return "", os.ErrDeadlineExceeded
		}
		switch n, err := unix.Read(0, b); {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil:
			return "", Failed("read", "standard input", err)
		case n == 0 && len(line) == 0:
			return "", io.EOF
		case n == 0 || b[0] == '\n':
			return string(line), nil
		case len(line) < maxLine:
			line = append(line, b[0])
		}
	}
}

// truncate returns the longest start of s that has at most size bytes and doesn't end
// within a character.
func truncate(s string, size int) string {
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}
