//go:build linux

// Package job does for a step and its child what the kernel and a shell do for the
// processes of a job: it hands on the signals of keys and of kill(1), stops and continues
// both together, and gives the terminal back.
//
// A step needs that because its child may be PID 1 of a PID namespace, which gets no
// signal that it has no handler for, and because a shell inside can't give the terminal
// back to a process group that it doesn't see (see pid_namespaces(7), tcsetpgrp(3)).
package job

import (
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
)

// A Job is the child of a step.
type Job struct {
	program   string      // the step's name
	isCommand func() bool // the child has become the command, or has ended
	pid       int         // as the parent sees it
	pidfd     int
	isPID1    bool // of a new PID namespace
	terminal  *terminal

	interrupted atomic.Int32  // the signal that ended the run before the command began
	ending      atomic.Bool   // SIGTERM or SIGHUP has been handed on
	stopped     chan struct{} // Wait has seen the child stop

	// These are handleSignals' own.
	unheard       <-chan time.Time // when PID 1 has had time to react to a key's signal
	unheardSignal syscall.Signal
	unstopped     <-chan time.Time // when the child has had time to stop
	explained     bool             // that a second signal kills
	stopping      bool             // the step has stopped the child
}

// New returns the job of a child that is about to be cloned. It notes the terminal as the
// step found it. The child needs the parent's handlers: without them, a key's signal ends
// the parent before it can report anything.
func New(program string, isCommand func() bool) *Job {
	caught()
	return &Job{
		program: program, isCommand: isCommand,
		terminal: openTerminal(), stopped: make(chan struct{}, 1),
	}
}

// Begin has the parent's signals handled for the child, from now on.
func (j *Job) Begin(pid, pidfd int, isPID1 bool) {
	j.pid, j.pidfd, j.isPID1 = pid, pidfd, isPID1
	go j.handleSignals(caught())
}

// Wait waits until the child has ended, and gives the terminal back.
func (j *Job) Wait() (ws unix.WaitStatus, err error) {
	for {
		_, err = unix.Wait4(j.pid, &ws, unix.WUNTRACED, nil)
		if err != nil && err != unix.EINTR {
			return ws, err
		}
		if err == nil && !ws.Stopped() {
			break
		}
		if err == nil {
			select {
			case j.stopped <- struct{}{}:
			default: // there is one already
			}
		}
	}
	// 128+n: a shell whose command died of signal n.
	j.terminal.restore(ws.Signaled() || ws.ExitStatus() > 128 || j.ending.Load())
	return ws, nil
}

// Kill ends the child.
func (j *Job) Kill() { _ = j.kill(unix.SIGKILL) }

// Interrupted returns the signal that ended the run before the child was the command, 0
// if there was none.
func (j *Job) Interrupted() syscall.Signal {
	return syscall.Signal(j.interrupted.Load())
}

// Interruptible calls a function that may wait for long, before there is a child. A
// signal that ends the run ends the wait too: the error is the exit status, and the
// program has to end. Ctrl-Z stops the program.
func Interruptible(wait func() error) error {
	s := caught()
	done := make(chan error, 1)
	go func() { done <- wait() }()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-s.ends:
			return cmdline.Status(128 + int(sig.(syscall.Signal)))
		case sig := <-s.keys:
			return cmdline.Status(128 + int(sig.(syscall.Signal)))
		case <-s.tstp:
			stopSelf()
		}
	}
}
