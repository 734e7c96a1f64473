//go:build linux

package common

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Queue is an open POSIX message queue: mq_overview(7). Neither the standard
// library nor x/sys/unix wraps its system calls. The name has no leading slash for
// the kernel; that is added by mq_open(3) of the C library.
type Queue struct {
	name string
	fd   int
	size int // of a message, in bytes
	lock int // on the IPC namespace, while no other run may have the name
}

var errNoMessage = errors.New("none can come any more")

// limit is how long Receive waits.
const limit = 60 * time.Second

// mqAttr is struct mq_attr of <mqueue.h>, without the one field of its own that
// mq_getattr(3) fills, the number of messages in the queue.
type mqAttr struct {
	flags, maxmsg, msgsize int
	_                      [5]int
}

// CreateQueue makes a message queue, "/name", in this IPC namespace, for so many
// messages of so many bytes. A queue of that name that a killed run has left is
// removed. Until Receive knows that the child has its chance to open the queue, no
// other run gets the name.
func CreateQueue(name string, messages, size int) (*Queue, error) {
	lock, err := lockIPC(catchSignals())
	if err != nil {
		return nil, err
	}
	q := &Queue{name: name, size: size, lock: lock}
	if err := mqUnlink(name); err != nil && err != unix.ENOENT {
		unix.Close(lock)
		return nil, Failed("mq_unlink", name, err)
	}
	q.fd, err = mqOpen(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR,
		&mqAttr{maxmsg: messages, msgsize: size})
	if err != nil {
		unix.Close(lock)
		return nil, Failed("mq_open", name, err)
	}
	return q, nil
}

// OpenQueue opens a queue of this IPC namespace for sending. The child calls it, once,
// in its turn.
func OpenQueue(name string) (*Queue, error) {
	fd, err := mqOpen(name, unix.O_WRONLY, nil)
	if err != nil {
		return nil, Failed("mq_open", name, err)
	}
	hand(socket(), opened) // to Receive
	return &Queue{name: name, fd: fd, lock: -1}, nil
}

// Send puts a message into the queue, and a NUL behind it.
func (q *Queue) Send(message string) error {
	message += "\x00"
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(q.fd),
		uintptr(unsafe.Pointer(unsafe.StringData(message))), uintptr(len(message)), 0, 0, 0)
	if errno != 0 {
		return Failed("mq_send", q.name, errno)
	}
	return nil
}

// Receive waits for a message, at most 60 s, and no longer than the child can still
// send one. The queue is removed after it.
func (q *Queue) Receive(child *Child) (string, error) {
	defer func() {
		Parentf(child.c, "removing message queue %s", q.name)
		q.Remove()
	}()
	if b, err := await(child.socket); err != nil || b != opened {
		return "", errNoMessage
	}
	unix.Close(q.lock) // from now on the name may be another run's
	q.lock = -1
	ready, err := poll(limit, q.fd, child.socket) // a queue can be polled on Linux
	switch {
	case err != nil:
		return "", Failed("poll", q.name, err)
	case ready[0] != 0:
		return q.receive()
	case ready[1] != 0: // the child has yielded, or is gone
		return "", errNoMessage
	}
	return "", fmt.Errorf("none within %.0f s", limit.Seconds())
}

func (q *Queue) receive() (string, error) {
	message := make([]byte, q.size)
	n, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(q.fd),
		uintptr(unsafe.Pointer(&message[0])), uintptr(len(message)), 0, 0, 0)
	if errno != 0 {
		return "", Failed("mq_receive", q.name, errno)
	}
	return strings.TrimRight(string(message[:n]), "\x00"), nil
}

// Remove closes the queue and unlinks its name, unless that is another run's by now.
// Both sides may call it, and more than once.
func (q *Queue) Remove() {
	if q.fd < 0 {
		return
	}
	if q.lock < 0 {
		q.lock, _ = lockIPC(nil)
	}
	if fd, err := mqOpen(q.name, unix.O_RDONLY, nil); err == nil {
		var mine, named unix.Stat_t
		if unix.Fstat(q.fd, &mine) == nil && unix.Fstat(fd, &named) == nil && mine.Ino == named.Ino {
			_ = mqUnlink(q.name)
		}
		unix.Close(fd)
	}
	unix.Close(q.fd)
	unix.Close(q.lock)
	q.fd, q.lock = -1, -1
}

// A QueueInfo tells of a queue that is there.
type QueueInfo struct {
	Messages, Size int // what it was made for
	Stat           unix.Stat_t
}

// UnlinkQueue removes the queue of a name, if judge, called with what is known of it,
// returns no error; otherwise it returns that one. Meanwhile no run makes or removes
// one. The error unwraps to ENOENT if there is none.
func UnlinkQueue(name string, judge func(QueueInfo) error) error {
	lock, err := lockIPC(nil)
	if err != nil {
		return err
	}
	defer unix.Close(lock)
	fd, err := mqOpen(name, unix.O_RDONLY, nil)
	if err != nil {
		return Failed("mq_open", name, err)
	}
	defer unix.Close(fd)
	var info QueueInfo
	var attr mqAttr
	_, _, errno := unix.Syscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0, uintptr(unsafe.Pointer(&attr)))
	if errno != 0 {
		return Failed("mq_getattr", name, errno)
	}
	info.Messages, info.Size = attr.maxmsg, attr.msgsize
	if err := unix.Fstat(fd, &info.Stat); err != nil {
		return Failed("stat", name, err)
	}
	if err := judge(info); err != nil {
		return err
	}
	if err := mqUnlink(name); err != nil {
		return Failed("mq_unlink", name, err)
	}
	return nil
}

// lockIPC waits for a lock that there is once in each IPC namespace: its file in
// /proc. Whoever waits longest is next; the kernel drops the lock with the process. A
// signal ends the wait, and after that the process has to end.
func lockIPC(signals <-chan os.Signal) (int, error) {
	const file = "/proc/self/ns/ipc"
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, Failed("open", file, err)
	}
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(fd, unix.LOCK_EX) }()
	select {
	case err = <-locked:
	case sig := <-signals:
		return -1, status(128 + int(sig.(syscall.Signal)))
	// It is held for milliseconds; but not to wait forever for a run that is stopped.
	case <-time.After(time.Minute):
		err = unix.EAGAIN
	}
	if err != nil {
		return -1, Failed("lock", file, err)
	}
	return fd, nil
}

func mqOpen(name string, flags int, attr *mqAttr) (int, error) {
	p, err := unix.BytePtrFromString(name[1:])
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)),
		uintptr(flags|unix.O_CLOEXEC), 0o600, uintptr(unsafe.Pointer(attr)), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func mqUnlink(name string) error {
	p, err := unix.BytePtrFromString(name[1:])
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
