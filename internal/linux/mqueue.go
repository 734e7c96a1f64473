//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Neither the standard library nor x/sys/unix wraps the system calls of POSIX message
// queues (see mq_overview(7)). A name is "/name" here. The C library's mq_open(3) and the
// functions below pass it to the kernel without the slash.

// A QueueAttr is struct mq_attr of <mqueue.h>.
type QueueAttr struct {
	flags          int
	Messages, Size int // the most messages, and the most bytes of a message
	_              [5]int
}

// OpenQueue opens a message queue. The attributes are for O_CREAT, otherwise nil.
func OpenQueue(name string, flags int, attr *QueueAttr) (fd int, err error) {
	p, err := unix.BytePtrFromString(name[1:])
	if err != nil {
		return -1, err
	}
	r, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)),
		uintptr(flags|unix.O_CLOEXEC), 0o600, uintptr(unsafe.Pointer(attr)), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

// UnlinkQueue removes the name of a message queue.
func UnlinkQueue(name string) error {
	p, err := unix.BytePtrFromString(name[1:])
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0)
	return asError(errno)
}

// TryQueue makes a message queue of a name and removes it again. No Go code runs between
// the two calls: a SIGKILL there would leave the queue.
func TryQueue(name string, attr *QueueAttr) error {
	p, err := unix.BytePtrFromString(name[1:])
	if err != nil {
		return err
	}
	_, _, _ = unix.RawSyscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0)
	fd, _, errno := unix.RawSyscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)),
		unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600,
		uintptr(unsafe.Pointer(attr)), 0, 0)
	if errno == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0)
		unix.Close(int(fd))
	}
	return asError(errno)
}

// SendMessage puts a message into an open queue. It waits while the queue is full.
func SendMessage(fd int, message []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(message))), uintptr(
			len(message)), 0, 0, 0)
	return asError(errno)
}

// ReceiveMessage takes a message out of an open queue, into a buffer of the queue's
// size. It waits while the queue is empty.
func ReceiveMessage(fd int, buffer []byte) (n int, err error) {
	r, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(buffer))), uintptr(len(buffer)), 0, 0, 0)
	return int(r), asError(errno)
}

func asError(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// A QueueInfo tells of a queue that is there.
type QueueInfo struct {
	Messages, Size int // as in QueueAttr
	Stat           unix.Stat_t
}

// RemoveQueue removes the queue of a name if judge, which is told about the queue,
// returns no error. Otherwise it returns the error of judge. No step makes or removes a
// queue meanwhile. The error unwraps to ENOENT if there is no such queue.
func RemoveQueue(name string, judge func(QueueInfo) error) error {
	lock, err := LockIPC()
	if err != nil {
		return err
	}
	defer unix.Close(lock)
	fd, err := OpenQueue(name, unix.O_RDONLY, nil)
	if err != nil {
		return Failed("mq_open", name, err)
	}
	defer unix.Close(fd)
	var attr QueueAttr
	_, _, errno := unix.Syscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0,
		uintptr(unsafe.Pointer(&attr)))
	if errno != 0 {
		return Failed("mq_getattr", name, errno)
	}
	info := QueueInfo{Messages: attr.Messages, Size: attr.Size}
	if err := unix.Fstat(fd, &info.Stat); err != nil {
		return Failed("stat", name, err)
	}
	if err := judge(info); err != nil {
		return err
	}
	if err := UnlinkQueue(name); err != nil {
		return Failed("mq_unlink", name, err)
	}
	return nil
}

// IPCNamespace is the IPC namespace of this process. Its file is a lock, too.
const IPCNamespace = "/proc/self/ns/ipc"

// lockLimit is how long LockIPC waits. Steps hold the lock for milliseconds. A stopped
// step holds it longer, and any process of the IPC namespace can.
const lockLimit = time.Minute

// LockIPC waits for a lock that there is once in each IPC namespace: its file in /proc.
// The lock belongs to the descriptor that it returns, so it ends with the process. After
// a second of waiting, it prints that it waits.
func LockIPC() (fd int, err error) {
	fd, err = unix.Open(IPCNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, Failed("open", IPCNamespace, err)
	}
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		err = waitForLock(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, Failed("lock", IPCNamespace, err)
	}
	return fd, nil
}

// TryLock waits at most 200 ms for the lock, with a descriptor of the IPC namespace. A
// process that cleans up goes on without the lock then: another process may hold the
// lock for long.
func TryLock(fd int) {
	for range 20 {
		if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func waitForLock(fd int) error {
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(fd, unix.LOCK_EX) }()
	notice, end := time.After(time.Second), time.After(lockLimit)
	for {
		select {
		case err := <-locked:
			return err
		case <-notice:
			fmt.Fprintf(os.Stderr, "%s: another process holds the lock %s: "+
				"waiting up to %.0f s; to see the process: lslocks\n",
				filepath.Base(os.Args[0]), IPCNamespace, lockLimit.Seconds())
		case <-end:
			return unix.EAGAIN
		}
	}
}
