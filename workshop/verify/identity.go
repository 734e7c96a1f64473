//go:build linux

package verify

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// An identity is who a process is, and what its USER namespace owns.
type identity struct {
	Inside  int      `json:"inside"`  // effective user ID in its own USER namespace
	Outside int      `json:"outside"` // the same user, in the USER namespace of this program
	Owned   []string `json:"owned"`   // kinds of its namespaces that its USER namespace owns
}

// nobody is the ID of a user who has no ID in a USER namespace (user_namespaces(7)).
const nobody = 65534

func (f *facts) identity() error {
	status, err := os.ReadFile(file(f.PID, "status"))
	if err != nil {
		return err
	}
	// The real, the effective, the saved and the file system ID.
	uids := strings.Fields(linux.Field(status, "Uid:"))
	if len(uids) < 2 {
		return fmt.Errorf("%s has no user ID", file(f.PID, "status"))
	}
	outside, err := strconv.Atoi(uids[1])
	if err != nil {
		return err
	}
	maps, err := os.ReadFile(file(f.PID, "uid_map"))
	if err != nil {
		return err
	}
	f.Identity = &identity{
		Inside: translate(string(maps), outside), Outside: outside, Owned: f.owned(),
	}
	return nil
}

// translate returns the ID inside that a map has for an ID outside.
func translate(maps string, outside int) int {
	for _, r := range linux.ParseIDMap(maps) {
		if above := outside - r.Outside; above >= 0 && above < r.Count {
			return r.Inside + above
		}
	}
	return nobody
}

// owned returns the kinds of the process's other namespaces that its USER namespace owns
// (NS_GET_USERNS of ioctl_ns(2)). The kernel doesn't tell the owner of a namespace whose
// owner is outside of this program's USER namespace.
func (f *facts) owned() (kinds []string) {
	kinds = []string{}
	for _, kind := range linux.Kinds {
		fd, err := linux.OpenNamespace(f.PID, kind.File)
		if kind.File == "user" || err != nil {
			continue
		}
		owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
		unix.Close(fd)
		if err != nil {
			continue
		}
		var stat unix.Stat_t
		if unix.Fstat(owner, &stat) == nil && stat.Ino == f.Namespaces["user"].Inode {
			kinds = append(kinds, kind.File)
		}
		unix.Close(owner)
	}
	return kinds
}
