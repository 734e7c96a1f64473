//go:build linux

package linux

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ProcOf returns the name of one of a process's files in /proc. A PID won't do for that:
// after step1-pid -p, /proc still is the outer namespace's, and numbers the process
// differently. The fdinfo of a pidfd has the number that this /proc uses.
func ProcOf(pidfd int, file string) string {
	name, _ := FindProc(pidfd, file)
	return name
}

// FindProc is ProcOf with the error of the look at fdinfo. A process that has ended, or
// that this /proc doesn't show, has a name too, of which no file exists.
func FindProc(pidfd int, file string) (name string, err error) {
	fdinfo, err := ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	return "/proc/" + Field(fdinfo, "Pid:") + "/" + file, err
}

// HasEnded reports whether the process of a pidfd has ended: the pidfd can be read from
// then on.
func HasEnded(pidfd int) bool {
	ready, err := Poll(0, pidfd)
	return err == nil && ready[0] != 0
}

// Poll waits until one of the descriptors can be read, or for the time given, forever if
// the time is negative. It returns the events of each (see poll(2)).
func Poll(limit time.Duration, fds ...int) (ready []int16, err error) {
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
