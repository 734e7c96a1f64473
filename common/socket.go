//go:build linux

package common

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// childEnv marks the child. Its value is what the child inherits, see inheritance.
const childEnv = "NSTEPS_CHILD"

// errGone ends the child of a parent that has ended. It reports nothing: whoever killed
// the parent knows.
var errGone = cmdline.Status(cmdline.StatusFailed)

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

// An inheritance is what Start hands on to the child: descriptors and names.
type inheritance struct {
	socket int // the child's end
	stderr int // the step's standard error, see becomeChild
	// The parent's message queue, if there is one: see removeAbandoned.
	ipc   int // its namespace
	inode uint64
	queue string
}

func (i inheritance) String() string {
	return fmt.Sprint(i.socket, i.stderr, i.ipc, i.inode, " ", i.queue)
}

// inherited returns the child's inheritance; its descriptors are -1 if there is none.
func inherited() inheritance {
	words := strings.Fields(os.Getenv(childEnv))
	if len(words) < 4 {
		return inheritance{socket: -1, stderr: -1, ipc: -1}
	}
	number := func(word string) int { n, _ := strconv.Atoi(word); return n }
	i := inheritance{
		socket: number(words[0]), stderr: number(words[1]),
		ipc: number(words[2]), inode: uint64(number(words[3])),
	}
	if len(words) > 4 {
		i.queue = words[4]
	}
	return i
}

// socket returns the child's end of the socket, -1 if there is none.
func socket() int { return inherited().socket }

// becomeChild comes first in the child. Its descriptor 2 belongs to the parent, which
// finds there the trace of a Go runtime that fails, see Child.crash. Only Exec gives the
// standard error that number again.
func becomeChild(name string) {
	in := inherited()
	for _, fd := range []int{in.socket, in.stderr, in.ipc} {
		unix.CloseOnExec(fd)
	}
	traces = os.Stderr
	if in.stderr >= 0 { // or a person has set the variable
		os.Stderr = os.NewFile(uintptr(in.stderr), "/dev/stderr")
	}
	// Otherwise ps calls it exe, for /proc/self/exe. The command gets its own name.
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}

// traces keeps descriptor 2 open: an os.File that nobody refers to is closed.
var traces *os.File

// What parent and child tell each other, in a byte.
const (
	ready  = 'r' // the child dies with the parent from now on
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
	ready, err := linux.Poll(0, socket)
	return err == nil && ready[0]&unix.POLLHUP != 0
}
