//go:build linux

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

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

// A task is work on a file or directory, which has to be tidied up before the program
// may end.
type task struct {
	name   string
	cancel context.CancelCauseFunc
}

var (
	signals = make(chan os.Signal, 1)
	mu      sync.Mutex
	tasks   []*task // those under way
)

// handleSignals has a signal stop the tasks, or end this program if there is no task. Of
// the four signals it catches only SIGQUIT from the beginning: the Go runtime would print
// the stacks of all goroutines.
func handleSignals() {
	job.Notify(signals, unix.SIGQUIT)
	go func() {
		for s := range signals {
			handle(s.(unix.Signal))
		}
	}()
}

func handle(s unix.Signal) {
	mu.Lock() // no task may begin now
	defer mu.Unlock()
	if len(tasks) == 0 {
		job.Die(s)
	}
	for _, t := range tasks {
		t.cancel(&stoppedError{
			&fs.PathError{Op: "write", Path: t.name, Err: jail.ErrStopped}, s,
		})
	}
}

// untilSignal returns a context that a signal cancels. The context's cause is then the
// error of the work on a file or directory. A signal that the caller ignores is ignored.
func untilSignal(name string) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &task{name, cancel}
	mu.Lock()
	defer mu.Unlock()
	tasks = append(tasks, t)
	job.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	return ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		tasks = slices.DeleteFunc(tasks, func(other *task) bool { return other == t })
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
