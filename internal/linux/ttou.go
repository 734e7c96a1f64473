//go:build linux

package linux

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// BlockTTOU blocks SIGTTOU for this thread until the function that it returns is called.
// A process in the background that sets something of its terminal gets SIGTTOU, which
// stops it, unless the calling thread blocks the signal.
func BlockTTOU() (unblock func()) {
	runtime.LockOSThread()
	var before unix.Sigset_t
	ttou := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGTTOU - 1)}}
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &ttou, &before)
	return func() {
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
		runtime.UnlockOSThread()
	}
}
