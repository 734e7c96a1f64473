//go:build linux

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"nsteps/binlibdepcp/jail"
	"nsteps/internal/job"
)

// A stoppedError is the error of work that a signal has stopped.
type stoppedError struct {
	error
	signal unix.Signal
}

func (e *stoppedError) Unwrap() error { return e.error }

// untilSignal returns a context that a signal cancels. The context's cause is then the
// error of the work on a file or directory. A signal that the caller ignores is ignored.
func untilSignal(name string) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	job.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	job.TakeQuit()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s, ok := <-signals; ok {
			cancel(&stoppedError{
				&fs.PathError{Op: "write", Path: name, Err: jail.ErrStopped},
				s.(unix.Signal),
			})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done // a signal that has come is not lost
	}
}

// stopped returns the error of work that a signal has stopped, or nil.
func stopped(err error) *stoppedError {
	var stop *stoppedError
	errors.As(err, &stop)
	return stop
}

// dieOf ends this program as a signal would have, if a signal has stopped the work.
func dieOf(err error) {
	if stop := stopped(err); stop != nil {
		job.Die(stop.signal)
	}
}
