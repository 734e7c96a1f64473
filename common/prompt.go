//go:build linux

package common

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"nsteps/internal/job"
	"nsteps/internal/linux"
)

// maxLine bounds what readLine keeps of a line, in bytes.
const maxLine = 4096

// Ask asks the person for a line of at most size bytes, and waits as long as the person
// likes. It returns "" for an empty line or none, and prints why nothing is sent. What
// follows the line on standard input stays there, for the command.
func Ask(what string, size int) (string, error) {
	// Ctrl-C and Ctrl-\ are the parent's to answer: it ends the run.
	job.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGQUIT)
	fmt.Fprintf(os.Stderr, " Child: %s, up to %d bytes:\n", what, size)
	line, err := readLine()
	switch {
	case errors.Is(err, io.EOF):
		fmt.Println(" Child: end of input, so nothing to send")
	case err != nil:
		return "", err
	case line == "":
		fmt.Println(" Child: an empty line, so nothing to send")
	case len(line) > size:
		line = truncate(line, size)
		fmt.Printf(" Child: a line of more than %d bytes: sending the first %d\n",
			size, len(line))
	}
	return line, nil
}

// readLine reads a line, without its end, byte by byte: more would be the command's.
// The error is io.EOF if there is none, and errGone if the parent has ended.
func readLine() (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		ready, err := linux.Poll(-1, 0, socket())
		switch {
		case err != nil:
			return "", Failed("poll", "standard input", err)
		case ready[1] != 0:
			return "", errGone
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
