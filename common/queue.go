//go:build linux

package common

import (
	"errors"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/job"
	"nsteps/internal/linux"
)

// A Queue is an open POSIX message queue (see mq_overview(7)).
type Queue struct {
	name string
	fd   int
	size int // of a message, in bytes
	ipc  int // the IPC namespace, whose lock keeps the name from other runs
}

var errNoMessage = errors.New("the child has sent none")

// made is the queue that this process has created, if it has.
var made *Queue

// CreateQueue makes a message queue, "/name", in this IPC namespace, for so many
// messages of so many bytes. A queue of that name that a killed run has left is
// removed. No other run gets the name before the child has tried to open the queue.
func CreateQueue(name string, messages, size int) (*Queue, error) {
	q := &Queue{name: name, size: size}
	err := job.Interruptible(func() (err error) {
		q.ipc, err = linux.LockIPC()
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := linux.UnlinkQueue(name); err != nil && !errors.Is(err, unix.ENOENT) {
		unix.Close(q.ipc)
		return nil, Failed("mq_unlink", name, err)
	}
	q.fd, err = linux.OpenQueue(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR,
		&linux.QueueAttr{Messages: messages, Size: size})
	if err != nil {
		// With q.ipc closed, a descriptor would be free when the hint is looked for.
		return nil, Failed("mq_open", name, err)
	}
	made = q
	return q, nil
}

// inode tells the queue from another one of the same name.
func (q *Queue) inode() uint64 {
	var stat unix.Stat_t
	_ = unix.Fstat(q.fd, &stat)
	return stat.Ino
}

// OpenQueue opens a queue of this IPC namespace for sending. The child calls it once,
// when it has the turn.
func OpenQueue(name string) (*Queue, error) {
	fd, err := linux.OpenQueue(name, unix.O_WRONLY, nil)
	if err != nil {
		return nil, Failed("mq_open", name, err)
	}
	hand(socket(), opened) // to Receive
	return &Queue{name: name, fd: fd, ipc: inherited().ipc}, nil
}

// Send puts a message into the queue, and a NUL behind it.
func (q *Queue) Send(message string) error {
	if err := linux.SendMessage(q.fd, []byte(message+"\x00")); err != nil {
		return Failed("mq_send", q.name, err)
	}
	return nil
}

// Receive waits for a message, as long as the child can still send one: a person may
// need a while. The queue is removed after it.
func (q *Queue) Receive(child *Child) (string, error) {
	defer func() {
		Parentf(child.c, "removing message queue %s", q.name)
		q.Remove()
	}()
	if b, err := await(child.socket); err != nil || b != opened {
		return "", errNoMessage
	}
	// From now on the name may be another run's.
	_ = unix.Flock(q.ipc, unix.LOCK_UN)
	ready, err := linux.Poll(-1, q.fd, child.socket) // a queue can be polled on Linux
	switch {
	case err != nil:
		return "", Failed("poll", q.name, err)
	case ready[0] == 0: // the child has yielded, or is gone
		return "", errNoMessage
	}
	message := make([]byte, q.size)
	n, err := linux.ReceiveMessage(q.fd, message)
	if err != nil {
		return "", Failed("mq_receive", q.name, err)
	}
	return strings.TrimRight(string(message[:n]), "\x00"), nil
}

// Remove closes the queue and unlinks its name, unless that is another run's by now.
// Both sides may call it, and more than once.
func (q *Queue) Remove() {
	if q.fd < 0 {
		return
	}
	linux.TryLock(q.ipc)
	inode := q.inode()
	unix.Close(q.fd) // or there may be no descriptor for unlinkInode
	unlinkInode(q.name, inode)
	unix.Close(q.ipc)
	q.fd, q.ipc = -1, -1
}

// unlinkInode unlinks a queue if the name is that queue's.
func unlinkInode(name string, inode uint64) {
	fd, err := linux.OpenQueue(name, unix.O_RDONLY, nil)
	if err != nil {
		return
	}
	named := Queue{fd: fd}
	if named.inode() == inode {
		_ = linux.UnlinkQueue(name)
	}
	unix.Close(fd)
}

// removeAbandoned removes the queue of a parent that was killed before the child could
// open the queue. A child in a new IPC namespace first returns to the parent's. If setns
// fails, it removes what it can see.
func removeAbandoned() {
	in := inherited()
	if in.queue == "" {
		return
	}
	runtime.LockOSThread() // setns(2) moves this thread only
	_ = unix.Setns(in.ipc, unix.CLONE_NEWIPC)
	linux.TryLock(in.ipc)
	unlinkInode(in.queue, in.inode)
}
