//go:build linux

package play

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/workshop/advice"
	"nsteps/workshop/page"
	"nsteps/workshop/session"
)

// stop returns the error of a line after which no other may be typed. again is the
// command that tries it again.
func stop(ctx context.Context, s *session.Session, ch *page.Chapter,
	step *page.Step, i int, again string, err error,
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var fs unix.Statfs_t
	at := fmt.Sprintf("%s:%d", ch.File, step.At+i)
	failed := &failure{again: again, at: at, line: step.Lines[i], err: err}
	if unix.Statfs(s.Dir(), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		failed.noexec = s.Dir()
	}
	return &advice.Error{Err: failed, Advice: failed.advice()}
}

// A failure is a line that didn't do what its chapter says.
type failure struct {
	again, at, line string
	err             error
	// the session's directory, if no program can be executed there
	noexec string
}

func (f *failure) Error() string {
	return fmt.Sprintf("%s stopped at %s, %s: %s",
		f.again, f.at, cmdline.Quote(f.line), f.err)
}

func (f *failure) Unwrap() error { return f.err }

// advice says how to go on.
func (f *failure) advice() string {
	me := advice.Me()
	again, doctor := me.Call("workshop", f.again), me.Call("workshop", "doctor")
	var ended *session.Ended
	switch {
	case f.noexec != "":
		return fmt.Sprintf("%s is on a file system that executes no programs (noexec); "+
			"choose another: TMPDIR=DIRECTORY %s", f.noexec, again)
	case errors.As(f.err, &ended) && ended.Status == 127:
		return "a program is missing; to see which, and its package: " + doctor
	case errors.As(f.err, &ended):
		return "fix what it printed above, then: " + again
	}
	return Doctor()
}

// Doctor is the advice where the cause isn't known.
func Doctor() string {
	return "to see what can't run on this machine: " + advice.Me().Call("workshop", "doctor")
}
