//go:build linux

package steptest

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A terminal is a pseudo-terminal with a shell in it, as a person has one.
type terminal struct {
	t      *testing.T
	file   *os.File
	output *output
	seen   int
}

const (
	ctrlC         = "\x03"
	ctrlD         = "\x04"
	ctrlZ         = "\x1a"
	ctrlBackslash = "\x1c"
)

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	NeedsHost(t)
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: needs bash, for its job control")
	}
	cmd := exec.Command(shell, "--norc", "--noprofile", "--noediting", "-i")
	cmd.Env = append(os.Environ(), "PS1=host> ", "TERM=dumb", "HISTFILE=")
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 200})
	require.NoError(t, err)
	tt := &terminal{t: t, file: file, output: &output{}}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := file.Read(b)
			_, _ = tt.output.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the kernel hangs up on the rest of the session
		_ = cmd.Wait()
		file.Close()
	})
	tt.expect(`host> $`)
	return tt
}

// send types.
func (tt *terminal) send(text string) {
	tt.t.Helper()
	_, err := tt.file.WriteString(text)
	require.NoError(tt.t, err)
}

// expect waits for a text to come that matches, after what has been expected before,
// and returns everything up to its end.
func (tt *terminal) expect(pattern string) string {
	tt.t.Helper()
	re := regexp.MustCompile(pattern)
	for range 1000 {
		text := strings.ReplaceAll(tt.output.String(), "\r", "")[tt.seen:]
		if at := re.FindStringIndex(text); at != nil {
			tt.seen += at[1]
			return text[:at[1]]
		}
		time.Sleep(10 * time.Millisecond)
	}
	tt.t.Fatalf("no %q in %q", pattern, strings.ReplaceAll(tt.output.String(), "\r", "")[tt.seen:])
	return ""
}

// run types a command line of the host's shell, and returns when it has ended.
func (tt *terminal) run(line string) string {
	tt.t.Helper()
	tt.send(line + "\n")
	tt.expect(regexp.QuoteMeta(line) + "\n")
	return tt.expect(`host> $`)
}

func (tt *terminal) assertStatus(want string) {
	tt.t.Helper()
	assert.Equal(tt.t, "status "+want+"\nhost> ", tt.run("echo status $?"))
}

func TestCtrlC(t *testing.T) {
	for _, key := range []struct{ key, name, status string }{{ctrlC, "C", "130"}, {ctrlBackslash, "backslash", "131"}} {
		t.Run("no PID 1, Ctrl-"+key.name, func(t *testing.T) {
			tt := openTerminal(t)
			tt.send("step1-pid sh -c 'echo ready; exec sleep 86400'\n")
			tt.expect("\nready\n")
			tt.send(key.key)
			assert.NotContains(t, tt.expect("host> $"), "handler")
			tt.assertStatus(key.status)
		})
		t.Run("PID 1 without a handler, Ctrl-"+key.name, func(t *testing.T) {
			tt := openTerminal(t)
			tt.send("step1-pid -p sh -c 'echo ready; exec sleep 86400'\n")
			tt.expect("\nready\n")
			tt.send(key.key)
			tt.expect("step1-pid: PID 1 has no handler .* once more kills it\n")
			tt.send(key.key)
			tt.expect("host> $")
			tt.assertStatus("137")
		})
		t.Run("PID 1 with a handler, Ctrl-"+key.name, func(t *testing.T) {
			tt := openTerminal(t)
			tt.send("step1-pid -p sh -c 'trap \"echo caught; exit 7\" INT QUIT; echo ready; " +
				"while :; do sleep 0.05; done'\n")
			tt.expect("\nready\n")
			tt.send(key.key)
			assert.NotContains(t, tt.expect("host> $"), "handler")
			tt.assertStatus("7")
		})
		t.Run("at the prompt, Ctrl-"+key.name, func(t *testing.T) {
			tt := openTerminal(t)
			for _, options := range []string{"-i no", "-pmni no"} {
				tt.send("step5-ipc " + options + " echo ran\n")
				tt.expect(prompt + ".*\n")
				assert.Equal(t, []string{"ipc_namespace"}, Queues())
				tt.send("half a line" + key.key)
				text := tt.expect("host> $")
				assert.Contains(t, text, "step5-ipc: stopped by signal")
				assert.NotContains(t, text, "\nran\n")
				assert.NotContains(t, text, "goroutine")
				assert.Empty(t, Queues())
				tt.assertStatus(key.status)
			}
		})
	}
}

// Ctrl-Z stops both sides, also a PID 1, which the terminal can't stop; fg goes on.
func TestCtrlZ(t *testing.T) {
	for _, command := range []string{
		"step1-pid sh -c 'echo ready; while :; do echo tick; sleep 0.05; done'",
		// One process, which nobody but the step can stop.
		`step1-pid -p perl -e '$|=1; print "ready\n"; while (1) { print "tick\n"; select undef,undef,undef,.05 }'`,
		"step2-mnt -pm sh -c 'trap : TSTP; echo ready; while :; do echo tick; sleep 0.05; done'",
	} {
		t.Run(command, func(t *testing.T) {
			tt := openTerminal(t)
			for range 2 {
				tt.send(command + "\n")
				tt.expect("\nready\n")
				tt.send(ctrlZ)
				tt.expect(`Stopped.*\n(.*\n)*host> $`)
				tt.run("sleep 0.2")
				assert.NotContains(t, tt.run("sleep 0.2"), "tick")
				tt.send("fg\n")
				tt.expect("\ntick\n")
				tt.send(ctrlZ)
				tt.expect(`Stopped.*\n(.*\n)*host> $`)
				tt.run("kill -KILL %%")
				tt.run("wait")
			}
		})
	}
	t.Run("at the prompt", func(t *testing.T) {
		tt := openTerminal(t)
		for _, options := range []string{"-i no", "-pmni no"} {
			tt.send("step5-ipc " + options + " echo ran\n")
			tt.expect(prompt + ".*\n")
			tt.send(ctrlZ)
			tt.expect(`Stopped.*\n(.*\n)*host> $`)
			tt.send("fg\n")
			time.Sleep(100 * time.Millisecond)
			tt.send("after the stop\n")
			tt.expect("\nParent: received message: after the stop\n")
			tt.expect("\n?ran\nhost> $")
		}
	})
}

// A step that ends in the background leaves the terminal to the shell.
func TestEndInBackground(t *testing.T) {
	for _, step := range []string{"step1-pid", "step1-pid -p", "step2-mnt -pm"} {
		t.Run(step, func(t *testing.T) {
			tt := openTerminal(t)
			for _, next := range []string{"bg", "kill -TERM %1"} {
				tt.send(step + " sh -c 'echo ready; exec sleep 0.5'\n")
				tt.expect("\nready\n")
				tt.send(ctrlZ)
				tt.expect(`Stopped.*\n(.*\n)*host> $`)
				tt.run(next)
				time.Sleep(2700 * time.Millisecond) // the shell reads the terminal meanwhile
				assert.Contains(t, tt.run("echo still here"), "still here\n")
				tt.run("kill -KILL %1")
				tt.run("wait")
			}
		})
	}
}

// A step in the background that reads from the terminal is stopped, and doesn't spin.
func TestBackground(t *testing.T) {
	for _, command := range []string{"step1-pid cat", "step1-pid -p cat", "step2-mnt -pm cat"} {
		t.Run(command, func(t *testing.T) {
			tt := openTerminal(t)
			tt.run(command + " &")
			tt.run("sleep 0.3")
			assert.Contains(t, tt.run("jobs"), "Stopped")
			tt.send("fg\n")
			tt.expect("cat\n")
			time.Sleep(100 * time.Millisecond)
			tt.send("one\n")
			tt.expect("(one\n.*){2}")
			tt.send(ctrlD)
			tt.expect("host> $")
			tt.assertStatus("0")
		})
	}
}

// An interactive shell inside has job control, and gives the terminal back.
func TestJobControl(t *testing.T) {
	for _, step := range []string{"step1-pid -p", "step2-mnt -pm", "step3-uts -pmu box", "step1-pid"} {
		t.Run(step, func(t *testing.T) {
			tt := openTerminal(t)
			tt.send(step + " bash --norc --noediting -i\n")
			name, _, _ := strings.Cut(step, " ")
			inside := name + "[#$] $"
			assert.NotContains(t, tt.expect(inside), "job control")
			tt.send("sleep 86400\n")
			time.Sleep(200 * time.Millisecond)
			tt.send(ctrlZ)
			tt.expect(`Stopped.*\n(.*\n)*` + inside)
			tt.send("jobs\n")
			tt.expect(`Stopped +sleep 86400\n` + inside)
			tt.send("fg\n")
			tt.expect("sleep 86400\n")
			time.Sleep(100 * time.Millisecond)
			tt.send(ctrlC)
			tt.expect(inside)
			tt.send("echo $?\n")
			tt.expect("\n130\n" + inside)
			tt.send(ctrlC)
			tt.expect(inside)
			tt.send("exit 3\n")
			tt.expect("host> $")
			tt.assertStatus("3")
		})
	}
}

// A script goes on reading after a shell in a step has ended, also one that was killed.
func TestTerminalGivenBack(t *testing.T) {
	tt := openTerminal(t)
	tt.send(`bash -c 'step1-pid -p bash --norc --noediting -i; read line; echo "got $line"'` + "\n")
	tt.expect("step1-pid[#$] $")
	tt.send("exit\n")
	time.Sleep(200 * time.Millisecond)
	tt.send("this\n")
	tt.expect("\ngot this\nhost> $")

	// A command that is killed leaves the terminal as it was found.
	before := tt.run("stty -a")
	tt.send("step1-pid -p sh -c 'stty raw -echo; echo ready; exec sleep 86397'\n")
	tt.expect("\nready")
	assert.NoError(t, exec.Command("sh", "-c", `kill -KILL $(pgrep -f -x "sleep 86397")`).Run())
	tt.expect("host> $")
	assert.Equal(t, before, tt.run("stty -a"))
}
