//go:build linux

package steptest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const stopped = `Stopped.*\n(.*\n)*host> $`

// waitStopped waits until a process is stopped, and the shell has said so.
func (tt *Terminal) waitStopped(args string) {
	tt.t.Helper()
	tt.Expect(stopped)
	WaitForProcess(tt.t, args, "T")
}

func TestCtrlC(t *testing.T) {
	for _, key := range []struct{ key, name, status string }{
		{CtrlC, "C", "130"},
		{CtrlBackslash, "backslash", "131"},
	} {
		t.Run("no PID 1, Ctrl-"+key.name, func(t *testing.T) {
			tt := OpenShell(t)
			tt.Type("step1-pid sleep 86301\n")
			WaitForProcess(t, "sleep 86301", "S")
			tt.Type(key.key)
			assert.NotContains(t, tt.Expect("host> $"), "handler")
			tt.AssertStatus(key.status)
		})
		t.Run("PID 1 without a handler, Ctrl-"+key.name, func(t *testing.T) {
			tt := OpenShell(t)
			tt.Type("step1-pid -p sleep 86302\n")
			WaitForProcess(t, "sleep 86302", "S")
			tt.Type(key.key)
			tt.Expect("step1-pid: PID 1 has no handler .* a second one kills PID 1\n")
			tt.Type(key.key)
			tt.Expect("host> $")
			tt.AssertStatus("137")
		})
		t.Run("PID 1 with a handler, Ctrl-"+key.name, func(t *testing.T) {
			tt := OpenShell(t)
			tt.Type("step1-pid -p sh -c 'trap \"echo caught; exit 7\" INT QUIT; echo " +
				"ready; " +
				"while :; do sleep 0.05; done'\n")
			tt.Expect("\nready\n")
			tt.Type(key.key)
			assert.NotContains(t, tt.Expect("host> $"), "handler")
			tt.AssertStatus("7")
		})
		t.Run("at the prompt, Ctrl-"+key.name, func(t *testing.T) {
			tt := OpenShell(t)
			for _, options := range []string{"-i no", "-pmni no"} {
				tt.Type("step5-ipc " + options + " echo ran\n")
				tt.Expect(prompt + ".*\n")
				assert.Equal(t, []string{"ipc_namespace"}, Queues())
				tt.Type("half a line" + key.key)
				text := tt.Expect("host> $")
				assert.Contains(t, text, "step5-ipc: stopped by signal")
				assert.NotContains(t, text, "\nran\n")
				assert.NotContains(t, text, "goroutine")
				assert.Empty(t, Queues())
				tt.AssertStatus(key.status)
			}
		})
		for _, step := range []string{"step1-pid", "step1-pid -p"} {
			t.Run(step+" of another process group, Ctrl-"+key.name, func(t *testing.T) {
				tt := OpenShell(t)
				tt.Type(step + " timeout 86303 sleep 86304\n")
				WaitForProcess(t, "sleep 86304", "S")
				tt.Type(key.key)
				assert.NotContains(t, tt.Expect("host> $"), "handler")
				WaitFor(t, "sleep has ended",
					func() bool { return Processes("sleep 86304") == nil })
			})
		}
	}
}

// A PID 1 that has got a handler since the first Ctrl-C isn't killed by the second one.
// Nor is one that ignores the signal, or takes it from sigwait(3).
func TestLateHandler(t *testing.T) {
	for _, action := range []string{
		"$SIG{INT} = sub { print 'caught' }",
		"$SIG{INT} = 'IGNORE'",
		"sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGINT))",
	} {
		t.Run(action, func(t *testing.T) {
			t.Setenv("program", "$| = 1; print 'name? '; <STDIN>; "+action+
				"; print 'again? '; print scalar <STDIN> for 1..3;")
			tt := OpenShell(t)
			tt.Type(`step1-pid -p perl -MPOSIX -e "$program"` + "\n")
			tt.Expect(`name\? $`)
			tt.Type(CtrlC)
			tt.Expect("a second one kills PID 1\n")
			tt.Type("x\n")
			tt.Expect(`again\? $`)
			tt.Type(CtrlC)
			tt.Type("one\n")
			tt.Expect("one\n(.*\n)*(caught)?one\n") // the echo, the answer
			tt.Type(CtrlC + CtrlC)
			tt.Type("two\n")
			tt.Expect("two\n(.*\n)*two\n") // the echo, the answer
			tt.Type("three\n")
			assert.NotContains(t, tt.Expect(`\nthree\n(.*\n)*host> $`), "handler")
			tt.AssertStatus("0")
		})
	}
}

// Ctrl-Z stops both sides, also a PID 1, which the terminal can't stop; fg goes on.
func TestCtrlZ(t *testing.T) {
	const shell = `sh -c trap "$1" TSTP; echo ready; while :; do echo tick; read x; done sh `
	for step, trap := range map[string]string{
		"step1-pid": "-", "step1-pid -p": "-",
		"step2-mnt -pm":             ":",
		"step1-pid -p step1-pid -p": "-",
	} {
		t.Run(step, func(t *testing.T) {
			tt := OpenShell(t)
			inner := strings.ReplaceAll(step, "-p step1-pid", "-p "+Bin("step1-pid"))
			args := shell + trap
			for range 2 {
				tt.Type(inner +
					` sh -c 'trap "$1" TSTP; echo ready; while :; do echo tick; read x; done' sh ` + trap + "\n")
				tt.Expect("\nready\ntick\n$")
				for range 2 {
					tt.Type(CtrlZ)
					tt.waitStopped(args)
					tt.Type("fg\n")
					tt.Expect("done' sh .*\n$")
					tt.Type("\n")
					tt.Expect("\ntick\n$")
				}
				tt.Type(CtrlZ)
				tt.waitStopped(args)
				tt.Run("kill -KILL %%")
				tt.Run("wait")
			}
		})
	}
	t.Run("another process group", func(t *testing.T) {
		tt := OpenShell(t)
		for _, step := range []string{"step1-pid", "step1-pid -p"} {
			tt.Type(step + " timeout 86305 sleep 86306\n")
			WaitForProcess(t, "sleep 86306", "S")
			tt.Type(CtrlZ)
			tt.waitStopped("sleep 86306")
			WaitForProcess(t, "timeout 86305 sleep 86306", "T")
			tt.Type("fg\n")
			WaitForProcess(t, "sleep 86306", "S")
			WaitForProcess(t, "timeout 86305 sleep 86306", "S")
			tt.Type(CtrlC)
			tt.Expect(`host> $`)
		}
	})
	t.Run("at the prompt", func(t *testing.T) {
		tt := OpenShell(t)
		for _, options := range []string{"-i no", "-pmni no"} {
			tt.Type("step5-ipc " + options + " echo ran\n")
			tt.Expect(prompt + ".*\n")
			tt.Type(CtrlZ)
			tt.Expect(stopped)
			tt.Type("fg\n")
			tt.Expect("step5-ipc .*\n")
			tt.Type("after the stop\n")
			tt.Expect("\nParent: received message: after the stop\n")
			tt.Expect("\n?ran\nhost> $")
		}
	})
	// Nobody could continue it: like any program there, the step is not stopped.
	t.Run("orphaned process group", func(t *testing.T) {
		NeedsHost(t)
		for _, options := range []string{"", "-p"} {
			tt := OpenTerminal(t, exec.Command("sh", "-c",
				"exec step1-pid "+options+" cat -u"))
			WaitForProcess(t, "cat -u", "S")
			tt.Type(CtrlZ + "still here\n")
			tt.Expect(`still here\n(\^Z)?still here\n`)
			tt.Type(CtrlD)
			WaitFor(t, "cat has ended", func() bool { return Processes("cat -u") == nil })
		}
	})
}

// A SIGTSTP for the step alone stops the child too.
func TestStopOfStep(t *testing.T) {
	tt := OpenShell(t)
	tt.Type("step1-pid sleep 86311\n")
	WaitForProcess(t, "sleep 86311", "S")
	step := Processes("step1-pid sleep 86311")
	require.Len(t, step, 1)
	require.NoError(t, unix.Kill(step[0].PID, unix.SIGTSTP))
	tt.waitStopped("sleep 86311")
	tt.Type("fg\n")
	WaitForProcess(t, "sleep 86311", "S")
	tt.Type(CtrlC)
	tt.Expect(`host> $`)
}

// A step that ends in the background leaves the terminal to the shell.
func TestEndInBackground(t *testing.T) {
	for _, step := range []string{"step1-pid", "step1-pid -p", "step2-mnt -pm"} {
		t.Run(step, func(t *testing.T) {
			tt := OpenShell(t)
			for _, next := range []string{"bg && touch go", "kill -TERM %1"} {
				tt.Run("cd $(mktemp -d)")
				tt.Type(step + " sh -c 'echo ready; until [ -e go ]; do sleep 0.05; " +
					"done' 2>/dev/null\n")
				tt.Expect("\nready\n")
				tt.Type(CtrlZ)
				tt.Expect(stopped)
				tt.Run(next)
				WaitFor(t, "the job has ended",
					func() bool { return !strings.Contains(tt.Run("jobs"), "ing ") })
				assert.Contains(t, tt.Run("echo still here"), "still here\n")
			}
		})
	}
}

// kill %1 ends a stopped job, also a PID 1 that has no handler and uses the terminal.
func TestKillStopped(t *testing.T) {
	for _, command := range []string{
		"step1-pid cat -u", "step1-pid -p cat -u", "step1-pid -p sleep 86307",
		"step1-pid -p bash --norc --noediting -c 'read x'",
		"step1-pid sh -c 'trap : TERM HUP; while :; do read x; done'",
	} {
		for _, sig := range []string{"TERM", "HUP"} {
			t.Run(sig+" "+command, func(t *testing.T) {
				tt := OpenShell(t)
				tt.Type(command + "\n")
				_, args, _ := strings.Cut(command, " ")
				args = strings.ReplaceAll(strings.TrimPrefix(args, "-p "), "'", "")
				WaitForProcess(t, args, "S")
				tt.Type(CtrlZ)
				tt.waitStopped(args)
				tt.Run("kill -" + sig + " %1")
				WaitFor(t, "the job has ended",
					func() bool { return Processes(args) == nil })
				tt.Run("wait")
				assert.Contains(t, tt.Run("jobs; echo none"), "none\n")
			})
		}
	}
}

// A step in the background that reads from the terminal is stopped, and doesn't spin.
func TestBackground(t *testing.T) {
	for _, command := range []string{
		"cat -u", "step1-pid cat -u", "step1-pid -p cat -u",
		"step2-mnt -pm cat -u",
	} {
		t.Run(command, func(t *testing.T) {
			tt := OpenShell(t)
			stopped := func() bool { return strings.Contains(tt.Run("jobs"), "Stopped") }
			for i := range Soak(6) {
				tt.Run(command + " &")
				WaitFor(t, "the shell knows of the stop", stopped)
				if i%2 == 1 {
					tt.Run("bg")
					WaitFor(t, "the shell knows of the next stop", stopped)
				}
				// On a busy machine the last bg may still be under way.
				WaitForProcess(t, "cat -u", "T")
				tt.Type("fg\n")
				tt.Expect("cat -u\n")
				tt.Type("one\n")
				tt.Expect("(one\n.*){2}")
				tt.Type(CtrlD)
				tt.Expect("host> $")
				tt.AssertStatus("0")
			}
		})
	}
}

// A Ctrl-Z in any moment of the start stops both sides.
func TestCtrlZAtStart(t *testing.T) {
	tt := OpenShell(t)
	for i := range Soak(20) {
		tt.Type("step1-pid -p sh -c 'read x; echo got $x'\n")
		WaitFor(t, "the step is in the foreground", func() bool {
			for _, p := range Processes("step1-pid -p sh -c read x; echo got $x") {
				if p.Group == p.Foreground {
					return true
				}
			}
			return false
		})
		time.Sleep(time.Duration(i%10) * time.Millisecond)
		tt.Type(CtrlZ)
		tt.Expect(stopped)
		// SIGSTOP has been sent to PID 1, which may still be on its way to the stop.
		for _, p := range Processes("sh -c read x; echo got $x") {
			WaitFor(t, "PID 1 is stopped", func() bool {
				return ReadProcess(strconv.Itoa(p.PID)).State == "T"
			})
		}
		tt.Type("fg\n")
		tt.Expect("x'\n")
		tt.Type("it\n")
		tt.Expect("\ngot it\nhost> $")
	}
}

// An interactive shell inside has job control, and gives the terminal back.
func TestJobControl(t *testing.T) {
	for _, step := range []string{
		"step1-pid -p", "step2-mnt -pm",
		"step3-uts -pmu box", "step1-pid",
	} {
		t.Run(step, func(t *testing.T) {
			tt := OpenShell(t)
			tt.Type(step + " bash --norc --noediting -i\n")
			name, _, _ := strings.Cut(step, " ")
			inside := name + "[#$] $"
			assert.NotContains(t, tt.Expect(inside), "job control")
			tt.Type("sleep 86308\n")
			sleep := WaitForProcess(t, "sleep 86308", "S")
			WaitFor(t, "sleep is in the foreground", func() bool {
				now := ReadProcess(strconv.Itoa(sleep.PID))
				return now.Group == now.Foreground
			})
			tt.Type(CtrlZ)
			tt.Expect(`Stopped.*\n(.*\n)*` + inside)
			tt.Type("jobs\n")
			tt.Expect(`Stopped +sleep 86308\n` + inside)
			tt.Type("fg\n")
			tt.Expect("sleep 86308\n")
			WaitForProcess(t, "sleep 86308", "S")
			tt.Type(CtrlC)
			tt.Expect(inside)
			tt.Type("echo $?\n")
			tt.Expect("\n130\n" + inside)
			tt.Type(CtrlC)
			tt.Expect(inside)
			tt.Type("exit 3\n")
			tt.Expect("host> $")
			tt.AssertStatus("3")
		})
	}
}

// The suspend of a shell inside stops the step, and fg continues both.
func TestSuspend(t *testing.T) {
	for _, step := range []string{"step1-pid", "step1-pid -p"} {
		t.Run(step, func(t *testing.T) {
			tt := OpenShell(t)
			const inside = "step1-pid[#$] $"
			tt.Type(step + " bash --norc --noediting -i\n")
			tt.Expect(inside)
			for i := range 2 {
				// PID 1 can't stop itself: it is told from outside.
				if strings.HasSuffix(step, "-p") {
					shell := WaitForProcess(t, "bash --norc --noediting -i", "S")
					require.NoError(t, unix.Kill(shell.PID, unix.SIGSTOP))
				} else {
					tt.Type("suspend\n")
				}
				tt.waitStopped("bash --norc --noediting -i")
				tt.Type("fg\n")
				tt.Expect("bash --norc --noediting -i\n")
				tt.Type(fmt.Sprintf("echo round $((%d + 1))\n", i))
				tt.Expect(fmt.Sprintf("round %d\n", i+1) + inside)
				// Its job control still works.
				tt.Type("sleep 86309\n")
				sleep := WaitForProcess(t, "sleep 86309", "S")
				WaitFor(t, "sleep is in the foreground", func() bool {
					now := ReadProcess(strconv.Itoa(sleep.PID))
					return now.Group == now.Foreground
				})
				tt.Type(CtrlC)
				tt.Expect(inside)
			}
			tt.Type("exit 4\n")
			tt.Expect("host> $")
			tt.AssertStatus("4")
		})
	}
}

// A shell inside, not PID 1, can't give the terminal back when it ends: its foreground
// group has no members any more. The command goes on, and keys work.
func TestForegroundAbandoned(t *testing.T) {
	for _, step := range []string{"step1-pid -p", "step2-mnt -pm", "step1-pid -p " +
		Bin("step1-pid") + " -p"} {
		open := func(t *testing.T, then string) *Terminal {
			tt := OpenShell(t)
			tt.Type(step + " sh -c 'bash --norc --noediting -i; " + then + "'\n")
			tt.Expect(`step\S+[#$] $`)
			tt.Type("exit\n")
			return tt
		}
		t.Run(step+", read", func(t *testing.T) {
			tt := open(t, "echo name?; read x; echo hello $x")
			tt.Expect(`\nname\?\n`)
			tt.Type("you\n")
			tt.Expect("\nhello you\nhost> $")
		})
		t.Run(step+", Ctrl-C", func(t *testing.T) {
			tt := open(t, "sleep 86310; echo after")
			sleep := WaitForProcess(t, "sleep 86310", "S")
			WaitFor(t, "its group is in the foreground", func() bool {
				now := ReadProcess(strconv.Itoa(sleep.PID))
				return now.Group == now.Foreground
			})
			tt.Type(CtrlZ)
			tt.waitStopped("sleep 86310")
			tt.Type("fg\n")
			WaitForProcess(t, "sleep 86310", "S")
			tt.Type(CtrlC)
			tt.Expect("host> $|a second one kills PID 1\n|after\n")
			WaitFor(t, "sleep has ended",
				func() bool { return Processes("sleep 86310") == nil })
			if len(Processes(
				"sh -c bash --norc --noediting -i; sleep 86310; echo after")) > 0 {
				tt.Type(CtrlC)
			}
		})
	}
	// A shell that is killed leaves it so without a PID namespace, too.
	t.Run("killed shell", func(t *testing.T) {
		tt := OpenShell(t)
		tt.Type("step1-pid sh -c 'bash --norc --noediting -i; echo name?; read x; echo " +
			"hello $x'\n")
		tt.Expect(`step1-pid[#$] $`)
		tt.Type("kill -KILL $$\n")
		tt.Expect(`\nname\?\n`)
		tt.Type("you\n")
		tt.Expect("\nhello you\nhost> $")
	})
}

// A script goes on reading after a shell in a step has ended, also one that was killed.
func TestTerminalGivenBack(t *testing.T) {
	tt := OpenShell(t)
	tt.Type(`bash -c 'step1-pid -p bash --norc --noediting -i; read line; echo "got $line"'` + "\n")
	tt.Expect("step1-pid[#$] $")
	shell := WaitForProcess(t, "bash --norc --noediting -i", "S")
	tt.Type("exit\n")
	WaitFor(t, "the shell has ended",
		func() bool { return ReadProcess(strconv.Itoa(shell.PID)).State == "" })
	tt.Type("this\n")
	tt.Expect("\ngot this\nhost> $")

	// A command that did not end by itself leaves the terminal as it was found.
	before := tt.Run("stty -a")
	const raw = "sh -c 'stty raw -echo; sleep 86311; exit'"
	for step, end := range map[string]func(command, step Process) error{
		"step1-pid -p": func(command, _ Process) error {
			return unix.Kill(command.PID,
				unix.SIGKILL)
		},
		"step1-pid": func(_,
			step Process,
		) error {
			return unix.Kill(step.PID, unix.SIGHUP)
		},
		"step2-mnt -pm": func(_, step Process) error {
			return unix.Kill(step.PID,
				unix.SIGTERM)
		},
	} {
		tt.Type(step + " " + raw + "\n")
		command := WaitForProcess(t, strings.ReplaceAll(raw, "'", ""), "S")
		WaitForProcess(t, "sleep 86311", "S")
		require.NoError(t, end(command, ReadProcess(strconv.Itoa(command.PPID))))
		tt.Expect("host> $")
		assert.Equal(t, before, tt.Run("stty -a"), step)
		for _, p := range Processes("sleep 86311") {
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
	}
	// A command that ends by itself may change them.
	tt.Type("step1-pid stty -echo; stty -a\n")
	tt.Expect("[^-]echoctl|-echo .*-icanon|isig icanon iexten -echo ")
}

// In a pipeline, the terminal's settings are another program's.
func TestSettingsOfPipeline(t *testing.T) {
	tt := OpenShell(t)
	tt.Run("cd $(mktemp -d) && mkfifo go")
	tt.Type("step1-pid sh -c 'cat go; exit 143' | sh -c 'stty -echo </dev/tty; " +
		"echo >go; cat; stty -a </dev/tty; stty echo </dev/tty'\n")
	tt.Expect("-echo [^$]*host> $")
	tt.Run("cd /; rm -r $OLDPWD")
}

// The step brought to the foreground later gives the terminal back, too.
func TestGivenBackAfterForeground(t *testing.T) {
	tt := OpenShell(t)
	tt.Run("cd $(mktemp -d)")
	before := tt.Run("stty -a")
	tt.Run("step1-pid -p sh -c 'until [ -e go ]; do sleep 0.05; done; stty raw -echo; " +
		"sleep 86312' &")
	tt.Type("fg\n")
	tt.Expect("86312'\n")
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", tt.cmd.Process.Pid))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	WaitForProcess(t, "sleep 86312", "S")
	shell := Processes(
		"sh -c until [ -e go ]; do sleep 0.05; done; stty raw -echo; sleep 86312")
	require.Len(t, shell, 1)
	require.NoError(t, unix.Kill(shell[0].PID, unix.SIGKILL))
	tt.Expect("host> $")
	assert.Equal(t, before, tt.Run("stty -a"))
	tt.Run("cd /; rm -r $OLDPWD")
}

// While step 5 asks, its child is named for the step; the command has its own name.
func TestChildsName(t *testing.T) {
	tt := OpenShell(t)
	tt.Type("step5-ipc -pi no sleep 86313\n")
	tt.Expect(prompt + ".*\n")
	steps := Processes("step5-ipc -pi no sleep 86313")
	require.Len(t, steps, 2)
	assert.Equal(t, "step5-ipc", steps[0].Name)
	assert.Equal(t, "step5-ipc", steps[1].Name)
	tt.Type("\n")
	assert.Equal(t, "sleep", WaitForProcess(t, "sleep 86313", "S").Name)
	tt.Type(CtrlC)
	tt.Expect("a second one kills PID 1\n")
	tt.Type(CtrlC)
	tt.Expect("host> $")
}
