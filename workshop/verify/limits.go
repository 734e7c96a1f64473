//go:build linux

package verify

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"nsteps/internal/linux"
)

// limitFiles are the files with the limit of a controller, in version 2 of cgroups and in
// version 1.
var limitFiles = map[string][]string{
	"memory": {"memory.max", "memory.limit_in_bytes"},
	"pids":   {"pids.max"},
}

// limits notes the limits of the process's cgroup. A cgroup without a limit has the word
// max, or in version 1 the maximum number of bytes in whole pages.
func (f *facts) limits() error {
	f.Limits = map[string]string{}
	var failed error
	for controller, files := range limitFiles {
		cgroup, err := linux.CgroupOf(strconv.Itoa(f.PID), controller)
		if err != nil {
			failed = err
			continue
		}
		for _, file := range files {
			text, err := os.ReadFile(cgroup.Dir + "/" + file)
			value := strings.TrimSpace(string(text))
			switch {
			case errors.Is(err, fs.ErrNotExist): // the topmost cgroup has no limits
			case err != nil:
				failed = err
			case value != "max" && len(value) < len("9223372036854771712"):
				f.Limits[controller] = value
			}
		}
	}
	return failed
}
