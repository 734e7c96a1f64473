//go:build linux

// Package clocks is what step15-time needs beside its lesson: the text of clock offsets,
// and a TIME namespace on kernels that refuse Go's way to start a process in it.
package clocks

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"nsteps/beyond/internal/again"
	"nsteps/common"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// Check checks the value of the option --time.
func Check(_ *cli.Context, value string) error {
	if _, err := time.ParseDuration(value); err != nil {
		return cmdline.Usagef("--time takes a duration of less than 292 years, such as "+
			"24h, 90m or -5s, not %q", value)
	}
	return nil
}

// Offsets returns the lines for timens_offsets that set the clocks ahead, or back. They
// have seconds, and nanoseconds, which are never negative (time_namespaces(7)).
func Offsets(value string) string {
	ahead, _ := time.ParseDuration(value)
	seconds, nanoseconds := ahead/time.Second, ahead%time.Second
	if nanoseconds < 0 {
		seconds, nanoseconds = seconds-1, nanoseconds+time.Second
	}
	return fmt.Sprintf("monotonic %d %d\nboottime %[1]d %[2]d\n", seconds, nanoseconds)
}

// variable is set for this program when it is executed again in the TIME namespace.
const variable = "NSTEPS_TIME"

// Inside reports whether this process is such a copy.
func Inside() bool { return os.Getenv(variable) != "" }

// Copy executes this program again in the TIME namespace of this thread's children, and
// waits for its end. On Linux 6.1 and older, no process in there may share its memory
// with one outside, which Go's processes do until execve(2). This copy shares none.
func Copy(c *cli.Context) error {
	if err := os.Setenv(variable, "1"); err != nil {
		return err
	}
	return again.Run(c, linux.Reexec{}, "entered CLONE_NEWTIME",
		func(operation string, err error) error {
			if operation == "clone" {
				return common.Failed("clone", "CLONE_NEWTIME", err)
			}
			return common.Failed("re-execute", "/proc/self/exe", err)
		})
}
