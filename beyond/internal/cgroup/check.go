//go:build linux

package cgroup

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nsteps/internal/cmdline"
)

// The child is a Go program until it is the command. It needs these.
const (
	leastPIDs   = 10      // the kernel counts threads
	leastMemory = 8 << 20 // bytes
)

// CheckForm checks the form of the values of the option --cgroup. The kernel knows the
// files and what can be written to them.
func CheckForm(_ *cli.Context, values []string) error {
	for _, option := range values {
		file, value, ok := strings.Cut(option, "=")
		controller, rest, _ := strings.Cut(file, ".")
		switch {
		case !ok || value == "":
			return cmdline.Usagef("--cgroup takes file=value, for example "+
				"memory.max=64M, not %q", option)
		case controller == "" || rest == "" || strings.ContainsAny(file, "/*?[ \\"):
			return cmdline.Usagef("a limit is a file of a cgroup, for example pids.max, "+
				"not %q", file)
		case controller == "cgroup" || controller == "freezer":
			return cmdline.Usagef("%s is no limit: no program could start or end in there",
				file)
		}
	}
	return nil
}

// Check checks the form of the values, and that a step can start under these limits.
func Check(c *cli.Context, values []string) error {
	if err := CheckForm(c, values); err != nil {
		return err
	}
	for _, option := range values {
		file, value, _ := strings.Cut(option, "=")
		n, known := size(value)
		switch {
		case !known:
		case file == "pids.max" && n < leastPIDs:
			return cmdline.Usagef("pids.max is at least %d: it counts threads, and the step "+
				"has several until it is the command", leastPIDs)
		case isMemory(file) && n < leastMemory:
			return cmdline.Usagef("%s is at least %dM: the step needs that until it is the "+
				"command", file, leastMemory>>20)
		}
	}
	return nil
}

func isMemory(file string) bool {
	switch file {
	case "memory.max", "memory.high", "memory.limit_in_bytes":
		return true
	}
	return false
}

// size returns a number as the kernel reads it, for example 64M. The word max isn't one.
func size(value string) (n uint64, ok bool) {
	number := strings.TrimRight(value, "kKmMgGtT")
	n, err := strconv.ParseUint(number, 0, 64)
	if err != nil || len(value)-len(number) > 1 {
		return 0, false
	}
	if unit := strings.ToLower(value[len(number):]); unit != "" {
		n <<= 10 * (1 + strings.Index("kmgt", unit))
	}
	return n, true
}
