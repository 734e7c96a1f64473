//go:build linux

package session

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Host calls a function on a thread that has MNT, UTS and IPC namespaces and a /dev/shm
// of its own. The processes that the function starts are in them too. What they leave
// there (mounts, the hostname, message queues, shared memory) ends with the last of them.
func Host(f func() error) error {
	return onThread(func() error {
		if err := unshare(); err != nil {
			return err
		}
		return f()
	})
}

// onThread calls a function on a thread that ends with it, and with the thread the
// namespaces that it has entered. The main thread would not end: it is /proc/self.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good, so that the thread isn't used again
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		err := onThread(f) // which gets another one, since this is locked
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// unshare gives this thread namespaces of its own. Mounts come in from the host, and
// don't go out; among each other they are shared, as systemd has them.
func unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
		unix.CLONE_NEWIPC); err != nil {
		return fmt.Errorf("unshare CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC: %w", err)
	}
	for _, propagation := range []uintptr{unix.MS_SLAVE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|propagation, ""); err != nil {
			return fmt.Errorf("mount propagation of /: %w", err)
		}
	}
	// POSIX shared memory is made of files here (shm_open(3)). Not every machine has it.
	if _, err := os.Stat("/dev/shm"); err == nil {
		const flags = unix.MS_NOSUID | unix.MS_NODEV
		if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", flags, ""); err != nil {
			return fmt.Errorf("mount tmpfs on /dev/shm: %w", err)
		}
	}
	return nil
}
