//go:build linux

package main

import (
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/join", "beyond/step7-user", "beyond/step8-pivot", "step1-pid",
		"step2-mnt", "step6-chroot", "binlibdepcp")
}

func TestScripts(t *testing.T) {
	t.Run("own", func(t *testing.T) { steptest.ScriptsIn(t, "testdata") })
}

// start starts a container with a step and its arguments, and a command that no other
// test uses. It returns the PID of the command.
func start(t *testing.T, argument string, step ...string) (pid string) {
	t.Helper()
	cmd := exec.Command(step[0], append(step[1:], "sleep", argument)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := steptest.WaitForProcess(t, "sleep "+argument, "S").PID
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		// This process is the parent of what a killed join leaves. PID 1 ends when its
		// parent has waited for all of that.
		steptest.WaitFor(t, "the container has ended", func() bool {
			_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
			return unix.Kill(found, 0) == unix.ESRCH
		})
	})
	return strconv.Itoa(found)
}

// containers are started without and with a USER namespace: for the second, join is a
// parent, its copy and a child.
var containers = map[string][]string{
	"one layer":  {"step7-user", "-pmnu", "box"},
	"two layers": {"step7-user", "-pmnu", "box", "-U", "root"},
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	for name, step := range containers {
		t.Run(name, func(t *testing.T) {
			steptest.NeedsHost(t)
			pid := start(t, "86410", step...)
			steptest.KillAtAnyTime(t, t.TempDir(), "join", "-t", pid, "sleep", "86411")
			steptest.WaitFor(t, "nothing is left in the container", func() bool {
				return len(steptest.Processes("sleep 86411")) == 0 &&
					len(steptest.Processes("join -t "+pid+" sleep 86411")) == 0
			})
		})
	}
}

// SIGTERM reaches the command through both layers. SIGKILL of join kills all of it.
func TestSignals(t *testing.T) {
	for name, step := range containers {
		t.Run(name, func(t *testing.T) {
			steptest.NeedsHost(t)
			pid := start(t, "86412", step...)
			for sig, want := range map[unix.Signal]int{unix.SIGTERM: 143, unix.SIGKILL: -1} {
				cmd := exec.Command("join", "-t", pid, "sleep", "86413")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				steptest.WaitForProcess(t, "sleep 86413", "S")
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if got := cmd.ProcessState.ExitCode(); got != want {
					t.Errorf("exit status %d after %v, not %d", got, sig, want)
				}
				steptest.WaitFor(t, "the command has ended", func() bool {
					return len(steptest.Processes("sleep 86413")) == 0
				})
			}
		})
	}
}

// The keys of a terminal work through both layers.
func TestTerminal(t *testing.T) {
	for name, step := range containers {
		t.Run(name, func(t *testing.T) {
			tt := steptest.OpenShell(t)
			pid := start(t, "86414", step...)
			before := tt.Settings()

			tt.Type("join -t " + pid + " sleep 86415\n")
			steptest.WaitForProcess(t, "sleep 86415", "S")
			tt.Type(steptest.CtrlC)
			tt.Expect("host> $")
			tt.AssertStatus("130")

			tt.Type("join -t " + pid + " sleep 86416\n")
			steptest.WaitForProcess(t, "sleep 86416", "S")
			for range 3 {
				tt.Type(steptest.CtrlZ)
				tt.Expect("Stopped.*\nhost> $")
				steptest.WaitForProcess(t, "sleep 86416", "T")
				tt.Type("fg\n")
				steptest.WaitForProcess(t, "sleep 86416", "S")
			}
			tt.Type(steptest.CtrlBackslash)
			tt.Expect("host> $")
			tt.AssertStatus("131")

			// A shell inside has job control, stops, and gives the terminal back.
			tt.Type("join -t " + pid + " bash --norc\n")
			tt.Expect("join# $")
			tt.Type("sleep 86417\n")
			steptest.WaitForProcess(t, "sleep 86417", "S")
			tt.Type(steptest.CtrlZ)
			tt.Expect("Stopped.*\njoin# $")
			tt.Type("fg\n")
			steptest.WaitForProcess(t, "sleep 86417", "S")
			tt.Type(steptest.CtrlC)
			tt.Expect("join# $")
			tt.Type("exit 5\n")
			tt.Expect("host> $")
			tt.AssertStatus("5")
			if tt.Settings() != before {
				t.Error("the settings of the terminal have changed")
			}
		})
	}
}
