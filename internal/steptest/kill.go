//go:build linux

package steptest

import (
	"math/rand"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// KillAtAnyTime starts a program, which must not end by itself, and kills it at a random
// moment, with three signals in turn. The test fails if something is left on the host.
func KillAtAnyTime(t *testing.T, dir string, command ...string) {
	t.Helper()
	NeedsHost(t)
	seed := rand.New(rand.NewSource(1))
	signals := []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGHUP}
	for n := range Soak(20) {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(seed.Intn(30000)) * time.Microsecond)
		if err := cmd.Process.Signal(signals[n%len(signals)]); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("%q ended by itself", command)
		}
	}
}
