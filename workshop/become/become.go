//go:build linux

// Package become is for the commands of workshop that start steps: they need the
// programs, and a user who is root.
package become

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/workshop/advice"
	"nsteps/workshop/doctor"
	"nsteps/workshop/page"
	"nsteps/workshop/session"
)

// Programs returns the directory of the steps, which are built beside this program.
func Programs() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	bin := filepath.Dir(self)
	if _, err := os.Stat(filepath.Join(bin, "step1-pid")); err != nil {
		return "", fmt.Errorf(
			"the steps aren't beside this program, in %s: make build", bin)
	}
	return bin, nil
}

// NeedsRoot is the error of a chapter that a user namespace isn't enough for, and of a
// command that plays it.
func NeedsRoot(ch *page.Chapter, command string) error {
	return fmt.Errorf("chapter %s needs root, not that of a user namespace: %s",
		ch.Name, advice.Me().AsRoot("workshop", command))
}

// Lacking returns the error of a chapter whose commands aren't all on this machine.
func Lacking(chapters ...*page.Chapter) error {
	for _, ch := range chapters {
		if missing := session.Missing(ch.Needs); missing != nil {
			return fmt.Errorf("chapter %s needs programs that are missing, %s: %s",
				ch.Name, strings.Join(missing, ", "), doctor.Installing(missing...))
		}
	}
	return nil
}

// Root starts this program again in a user namespace, as its root: it returns only if
// that is refused. Before, it calls a function that tells the person.
func Root(command string, tell func() error) error {
	enter := []string{"unshare", "--user", "--map-root-user"}
	unshare, err := exec.LookPath(enter[0])
	if err != nil {
		return fmt.Errorf("creating namespaces needs root or unshare(1) (package "+
			"util-linux), and neither is available: %s",
			advice.Me().AsRoot("workshop", command))
	}
	try := exec.Command(unshare, "--user", "--map-root-user", "--mount", "true")
	if out, err := try.CombinedOutput(); err != nil {
		// It is not from unshare(1) if that could not be started.
		why := cmp.Or(strings.TrimSpace(string(out)), err.Error())
		return fmt.Errorf(
			"namespaces need root, and a user namespace is refused (%s): %s; "+
				"`workshop doctor` shows the cause",
			why, advice.Me().AsRoot("workshop", command))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := tell(); err != nil {
		return err
	}
	return unix.Exec(unshare, append(append(enter, self), os.Args[1:]...), os.Environ())
}
