//go:build linux

package verify

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"nsteps/internal/linux"
)

// The privileges of a process are what it may do, compared with this program.
type privileges struct {
	Bounding uint64 `json:"bounding"` // the capability bounding set
	NoNew    bool   `json:"no_new_privs"`
	Filters  int    `json:"filters"`  // seccomp filters more than this program has
	Settings bool   `json:"settings"` // of the kernel can be written
}

// settings is where root changes settings of the kernel.
const settings = "/proc/sys"

// has reports whether the bounding set has a capability.
func (p *privileges) has(capability int) bool { return p.Bounding>>capability&1 != 0 }

func (f *facts) privileges() error {
	its, err := os.ReadFile(file(f.PID, "status"))
	if err != nil {
		return err
	}
	ours, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	mounts, err := os.ReadFile(file(f.PID, "mountinfo"))
	if err != nil {
		return err
	}
	f.Privileges = &privileges{
		Bounding: linux.Mask(its, "CapBnd:"),
		NoNew:    linux.Field(its, "NoNewPrivs:") == "1",
		Filters:  filters(its) - filters(ours),
		Settings: writable(string(mounts), settings),
	}
	return nil
}

// filters returns how many seccomp filters a process has, by its status.
func filters(status []byte) int {
	n, _ := strconv.Atoi(linux.Field(status, "Seccomp_filters:"))
	return n
}

// writable reports whether a directory, by a mountinfo, isn't a read-only mount.
func writable(mountinfo, dir string) bool {
	for line := range strings.Lines(mountinfo) {
		// id, parent, device, root, point, options
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[4] == dir && strings.HasPrefix(fields[5], "ro") {
			return false
		}
	}
	return true
}

// clocks notes by how many seconds the uptime of a process is ahead of this program's.
func (f *facts) clocks() error {
	its, err := offset(file(f.PID, "timens_offsets"))
	if err != nil {
		return err
	}
	ours, err := offset("/proc/self/timens_offsets")
	if err != nil {
		return err
	}
	ahead := its - ours
	f.Ahead = &ahead
	return nil
}

// offset returns the seconds of a line "boottime 86400 0".
func offset(name string) (seconds int, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(linux.Field(text, "boottime"))
	if len(fields) == 0 {
		return 0, fmt.Errorf("%s has no boottime", name)
	}
	return strconv.Atoi(fields[0])
}

// The commands that meet the goals of steps 13 to 15.
var (
	limited   = command{"step13-caps", "-pml bash"}
	filtered  = command{"step14-seccomp", "-s bash"}
	elsewhere = command{"step15-time", "-t 24h bash"}
)
