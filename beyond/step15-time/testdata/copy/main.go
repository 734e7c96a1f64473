//go:build linux

// Copy is step15-time as it runs on Linux 6.1 and older, on every kernel.
package main

import (
	"os"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/clocks"
	"nsteps/common"
)

func init() { runtime.LockOSThread() }

func main() {
	common.Main(&cli.App{Name: "copy"}, parent, common.Exec)
}

func parent(c *cli.Context) error {
	if !clocks.Inside() {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return common.Failed("unshare", "CLONE_NEWTIME", err)
		}
		offsets := []byte(clocks.Offsets("24h"))
		if err := os.WriteFile("/proc/self/timens_offsets", offsets, 0); err != nil {
			return err
		}
		return clocks.Copy(c)
	}
	process, err := common.Start(c, 0)
	if err != nil {
		return err
	}
	process.Release()
	return process.Wait()
}
