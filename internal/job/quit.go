//go:build linux

package job

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// quitTaken says that another part of this program handles SIGQUIT.
var quitTaken atomic.Bool

// EndByQuit has SIGQUIT end this program, as Die does.
func EndByQuit() {
	quits := make(chan os.Signal, 1)
	Notify(quits, unix.SIGQUIT)
	go func() {
		for range quits {
			if !quitTaken.Load() {
				Die(unix.SIGQUIT)
			}
		}
	}()
}

// TakeQuit is for a caller that receives SIGQUIT on a channel of its own, because it has
// something to remove first: EndByQuit has no effect any more.
func TakeQuit() { quitTaken.Store(true) }
