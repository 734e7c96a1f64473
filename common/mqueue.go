//go:build linux

package common

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// lockLimit is how long a run waits for the lock, which others hold for milliseconds. A
// stopped run holds it longer, and any process of the IPC namespace can.
const lockLimit = time.Minute

// made is the queue that this process has created, if it has.
var made *Queue

// ipcNamespace is the IPC namespace of this process. Its file is a lock, too.
const ipcNamespace = "/proc/self/ns/ipc"

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
	made = q
	return q, nil
}

// inode tells the queue from another one of the same name.
func (q *Queue) inode() uint64 {
	var stat unix.Stat_t
	_ = unix.Fstat(q.fd, &stat)
	return stat.Ino
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
	unix.Close(q.lock) // from now on the name may be another run's
	q.lock = -1
	ready, err := poll(-1, q.fd, child.socket) // a queue can be polled on Linux
	switch {
	case err != nil:
		return "", Failed("poll", q.name, err)
	case ready[0] != 0:
		return q.receive()
	}
	return "", errNoMessage // the child has yielded, or is gone
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
	unlinkInode(q.name, q.inode())
	unix.Close(q.fd)
	unix.Close(q.lock)
	q.fd, q.lock = -1, -1
}

// unlinkInode unlinks a queue if the name is that queue's. The caller has the lock.
func unlinkInode(name string, inode uint64) {
	fd, err := mqOpen(name, unix.O_RDONLY, nil)
	if err != nil {
		return
	}
	named := Queue{fd: fd}
	if named.inode() == inode {
		_ = mqUnlink(name)
	}
	unix.Close(fd)
}

// removeAbandoned removes the queue of a parent that was killed before the child could
// open the queue. A child in a new IPC namespace goes back for that. If it may not, it
// never left.
func removeAbandoned() {
	in := inherited()
	if in.queue == "" {
		return
	}
	_ = unix.Setns(in.ipc, unix.CLONE_NEWIPC)
	if lock, err := lockIPC(nil); err == nil {
		defer unix.Close(lock)
	}
	unlinkInode(in.queue, in.inode)
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
func lockIPC(s *signals) (int, error) {
	fd, err := unix.Open(ipcNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, Failed("open", ipcNamespace, err)
	}
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(fd, unix.LOCK_EX) }()
	if s == nil {
		s = &signals{} // its channels are nil, and nothing comes from them
	}
	notice, end := time.After(time.Second), time.After(lockLimit)
	for waiting := true; waiting; {
		select {
		case err = <-locked:
			waiting = false
		case sig := <-s.ends:
			return -1, status(128 + int(sig.(syscall.Signal)))
		case sig := <-s.keys:
			return -1, status(128 + int(sig.(syscall.Signal)))
		case <-s.tstp:
			stopSelf()
		case <-notice:
			fmt.Fprintf(os.Stderr, "%s: another process holds the lock %s: "+
				"waiting up to %.0f s; to see the process: lslocks\n",
				filepath.Base(os.Args[0]), ipcNamespace, lockLimit.Seconds())
		case <-end:
			err, waiting = unix.EAGAIN, false
		}
	}
	if err != nil {
		return -1, Failed("lock", ipcNamespace, err)
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
