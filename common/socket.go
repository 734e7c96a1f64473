//go:build linux

package common

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv marks the child. Its value is the descriptor of the child's socket.
const childEnv = "NSTEPS_CHILD"

// errGone tells one side that the other has ended.
var errGone = errors.New("the other process is gone")

// Yield hands the turn to the parent and waits until it is released again. The
// child calls it.
func Yield() error {
	hand(socket(), turn)
	_, err := await(socket())
	return err
}

func isChild() bool {
	_, ok := os.LookupEnv(childEnv)
	return ok
}

// socket returns the child's end of the socket, -1 if there is none.
func socket() int {
	fd, err := strconv.Atoi(os.Getenv(childEnv))
	if err != nil {
		return -1
	}
	return fd
}

// What parent and child tell each other, in a byte.
const (
	turn   = 't' // it is the other side's turn
	opened = 'o' // the child has opened the message queue
)

// hand writes a byte to the other side. If that is gone, the next read says so.
func hand(socket int, b byte) {
	_ = unix.Sendto(socket, []byte{b}, unix.MSG_NOSIGNAL, nil)
}

// await reads a byte from the other side.
func await(socket int) (byte, error) {
	b := make([]byte, 1)
	for {
		switch n, err := unix.Read(socket, b); {
		case err == unix.EINTR:
		case n == 1:
			return b[0], nil
		case n == 0 || err == unix.ECONNRESET:
			return 0, errGone
		default:
			return 0, Failed("read", "socket "+os.Getenv(childEnv), err)
		}
	}
}

// closed reports whether the other side has closed its end.
func closed(socket int) bool {
	ready, err := poll(0, socket)
	return err == nil && ready[0]&unix.POLLHUP != 0
}

// poll waits until one of the descriptors can be read, or for the time given, forever
// if that is negative. It returns the events of each, poll(2).
func poll(limit time.Duration, fds ...int) (ready []int16, err error) {
	set := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		set[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	for deadline := time.Now().Add(limit); ; {
		ms := -1
		if limit >= 0 {
			ms = int(max(0, time.Until(deadline)).Milliseconds())
		}
		if _, err = unix.Poll(set, ms); err != unix.EINTR {
			break
		}
	}
	for _, fd := range set {
		ready = append(ready, fd.Revents)
	}
	return ready, err
}
