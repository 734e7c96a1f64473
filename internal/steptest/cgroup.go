//go:build linux

package steptest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nsteps/internal/linux"
)

// controllers are those that the tests use. A machine may have some of them in trees of
// version 1, and others in that of version 2.
var controllers = []string{"memory", "pids", "cpu", "hugetlb"}

// CgroupRoom moves this process into cgroups of its own until the end of the test, so
// that other runs on the machine aren't seen. It returns a function that lists the
// cgroups of steps in there.
func CgroupRoom(t testing.TB) (list func() []string) {
	t.Helper()
	NeedsHost(t)
	list, err := cgroupRoom(t)
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	return list
}

func cgroupRoom(t testing.TB) (list func() []string, err error) {
	t.Helper()
	LockCgroups(t)
	var rooms []string
	for _, controller := range controllers {
		own, err := linux.CgroupOf("self", controller)
		if err != nil || strings.Contains(own.Dir, "/steptest-") { // the tree of one before
			continue
		}
		// In version 2, a step makes its cgroup beside its own, and so does this test.
		at := own.Dir
		if own.Version == 2 && own.Path != "/" {
			at = filepath.Dir(at)
		}
		room := filepath.Join(at, fmt.Sprintf("steptest-%d", os.Getpid()))
		inner := room
		if own.Version == 2 {
			inner = filepath.Join(room, "self")
		}
		err = os.MkdirAll(inner, 0o755)
		if err == nil {
			t.Cleanup(func() {
				_ = linux.WriteCgroup(own.Dir+"/cgroup.procs", "0")
				if err := linux.RemoveCgroup(room); err != nil {
					t.Errorf("remove %s: %v", room, err)
				}
			})
			err = linux.WriteCgroup(inner+"/cgroup.procs", "0")
		}
		if err != nil {
			return nil, fmt.Errorf("needs a cgroup that may have others below it: %w", err)
		}
		rooms = append(rooms, room)
	}
	if rooms == nil {
		return nil, errors.New("needs cgroups")
	}
	return func() []string { return cgroupsIn(rooms) }, nil
}

func cgroupsIn(dirs []string) (found []string) {
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && linux.IsCgroupOfRun(d.Name()) {
				found = append(found, name)
			}
			return nil
		})
	}
	return found
}

// hasCgroup reports whether a limit of a controller can be set here, of this version of
// cgroups: "memory", "memory:1", "memory:2".
func hasCgroup(wanted string) (bool, error) {
	controller, version, _ := strings.Cut(wanted, ":")
	own, err := linux.CgroupOf("self", controller)
	if err != nil || version != "" && version != fmt.Sprint(own.Version) {
		return false, nil
	}
	if own.Version == 1 {
		return true, nil
	}
	handed, err := os.ReadFile(filepath.Dir(own.Dir) + "/cgroup.controllers")
	if err != nil {
		handed, err = os.ReadFile(own.Dir + "/cgroup.controllers")
	}
	return slices.Contains(strings.Fields(string(handed)), controller), err
}
