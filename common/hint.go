//go:build linux

package common

import (
	"errors"
	"io/fs"
	"syscall"

	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
)

// hint returns a line on the cause of an error, with a command to copy where there is
// one, or "" where no cause is known. A program's own hints come first.
func hint(err error, f *cause.Facts, own []cause.Hint) string {
	var failed *fs.PathError
	var errno syscall.Errno
	if !errors.As(err, &failed) || !errors.As(failed.Err, &errno) {
		return ""
	}
	return f.Explain(failed.Op, failed.Path, errno, own...).String()
}

// Printable escapes the characters that a terminal may take for a command.
func Printable(s string) string { return cmdline.Printable(s) }

// Quote quotes a word for a POSIX shell if the word needs it.
func Quote(word string) string { return cmdline.Quote(word) }
