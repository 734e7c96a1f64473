package cmdline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

// Exit statuses of a step, those of env(1) and chroot(1). Any other status is that of the
// command, or 128+n if signal n killed the command.
const (
	StatusFailed  = 125 // the step itself failed, wrong usage included
	NotExecutable = 126 // the command exists and can't be executed
	NotFound      = 127 // the command isn't there
)

// A Status is the exit status of a child that has ended, or of a command that has printed
// its finding. There is nothing to report.
type Status int

func (s Status) Error() string { return "exit status " + strconv.Itoa(int(s)) }

// ExitStatus returns the exit status of a step that ends with an error.
func ExitStatus(err error) int {
	var s Status
	var failed *fs.PathError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return int(s)
	case !errors.As(err, &failed) || failed.Op != "exec":
		return StatusFailed
	case errors.Is(failed.Err, syscall.ENOENT) || errors.Is(failed.Err, syscall.ENOTDIR):
		return NotFound
	}
	return NotExecutable
}

// A UsageError is a command line that makes no sense.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// Report prints "program: error", and indented below it the lines of a text on the fix,
// if there is such a text.
func Report(w io.Writer, program string, err error, fix string) {
	fmt.Fprintf(w, "%s: %s\n", program, Printable(err.Error()))
	for line := range strings.Lines(fix) {
		fmt.Fprintf(w, "  %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// Flatten returns the errors that were joined, or the one error.
func Flatten(err error) (all []error) {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, err := range several.Unwrap() {
		all = append(all, Flatten(err)...)
	}
	return all
}
