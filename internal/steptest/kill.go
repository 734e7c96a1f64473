//go:build linux

package steptest

import (
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// KillAtAnyTime starts a program, which must not end by itself, and kills it at a random
// moment, with three signals in turn. The test fails if something is left on the host. It
// also fails if there are other files in the program's working directory and in its
// TMPDIR than after a complete run.
func KillAtAnyTime(t *testing.T, dir string, command ...string) {
	t.Helper()
	NeedsHost(t)
	host := Snapshot()
	temporary, err := os.MkdirTemp(bin, "tmp")
	if err == nil {
		err = os.Chmod(temporary, 0o777|os.ModeSticky) // for plain users
	}
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+temporary)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	wait := func(cmd *exec.Cmd) {
		if err := cmd.Wait(); err == nil {
			t.Fatalf("%q ended by itself", command)
		}
	}
	line := strings.Join(command, " ")
	first := start()
	WaitFor(t, "the command is executed: "+line, func() bool {
		return killCommand(first.Process.Pid, line)
	})
	wait(first)
	before := files(dir) + files(temporary)

	// A program gives its command two seconds, and PID 1 doesn't die of SIGTERM. Only make
	// soak has that much time.
	patience := 50 * time.Millisecond
	if Soak(1) > 1 {
		patience = time.Minute
	}
	seed := rand.New(rand.NewSource(1))
	signals := []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGHUP}
	for n := range Soak(20) {
		cmd := start()
		time.Sleep(time.Duration(seed.Intn(30000)) * time.Microsecond)
		if err := cmd.Process.Signal(signals[n%len(signals)]); err != nil {
			t.Fatal(err)
		}
		hurry := time.AfterFunc(patience, func() { killCommand(cmd.Process.Pid, line) })
		wait(cmd)
		hurry.Stop()
	}
	if after := files(dir) + files(temporary); after != before {
		t.Errorf("the files have changed:\n%s%s", only("- ", before, after),
			only("+ ", after, before))
	}
	Compare(t, host) // it waits for the end of what was killed last
}

// killCommand kills the command that a program has executed, directly or through another
// program of this module: a process below the program with the end of its command line.
// It reports whether there was such a process.
func killCommand(program int, line string) bool {
	all, _ := linux.Processes()
	for pid := range all {
		top := pid
		for top > 0 && top != program {
			top = all[top].Parent
		}
		if top == 0 {
			continue
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		_, err := os.Stat(Bin(filepath.Base(exe)))
		args := ReadProcess(strconv.Itoa(pid)).Args
		if exe != "" && err != nil && args != "" && strings.HasSuffix(line, " "+args) {
			return unix.Kill(pid, unix.SIGKILL) == nil
		}
	}
	return false
}

// files lists a directory, "" for the present one, with everything below it.
func files(dir string) string {
	var b strings.Builder
	_ = filepath.WalkDir(filepath.Clean(dir),
		func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.IsDir() {
				fmt.Fprintln(&b, name, info.Mode())
			} else if err == nil {
				fmt.Fprintln(&b, name, info.Mode(), info.Size())
			}
			return nil
		})
	return b.String()
}
