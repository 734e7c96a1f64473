//go:build linux

package start

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/docs"
	"nsteps/internal/linux"
	"nsteps/internal/steptest"
	"nsteps/workshop/advice"
	"nsteps/workshop/page"
)

func TestMain(m *testing.M) { steptest.Main(m, steptest.Steps("workshop")...) }

// A desk is what start opens on a screen, with the directory for temporary files.
type desk struct {
	*steptest.Terminal
	t     *testing.T
	cmd   *exec.Cmd
	rooms string
}

// started opens the terminals on a screen of some columns, with a directory for temporary
// files that has to be empty in the end. The path of the programs has a space.
func started(t *testing.T, columns int, variables []string, args ...string) *desk {
	t.Helper()
	steptest.NeedsHost(t)
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("SKIPPED: needs tmux")
	}
	tmp, err := os.MkdirTemp("", "start") // a socket's path is short (unix(7))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(tmp)) })
	bin, rooms := filepath.Join(tmp, "my bin"), filepath.Join(tmp, "rooms")
	require.NoError(t, os.Symlink(filepath.Dir(steptest.Bin("workshop")), bin))
	require.NoError(t, os.Mkdir(rooms, 0o755))
	t.Cleanup(func() {
		left, err := os.ReadDir(rooms)
		assert.NoError(t, err)
		assert.Empty(t, left)
	})
	cmd := exec.Command(filepath.Join(bin, "workshop"),
		append([]string{"start"}, args...)...)
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "TERM=xterm", "TMUX=", "TMPDIR=rooms",
		"LC_ALL=C.UTF-8", "PS1=mine> ", "PROMPT_COMMAND=echo mine")
	cmd.Env = append(cmd.Env, variables...)
	d := &desk{steptest.OpenColumns(t, columns, cmd), t, cmd, rooms}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen: %q", d.Raw())
		}
	})
	return d
}

// tmux asks the server. It doesn't answer before it has started.
func (d *desk) tmux(args ...string) string {
	sockets, _ := filepath.Glob(filepath.Join(d.rooms, "*", "tmux"))
	if len(sockets) == 0 {
		return ""
	}
	out, _ := exec.Command("tmux", append([]string{"-S", sockets[0]}, args...)...).Output()
	return string(out)
}

// shows waits until a terminal, 0 or 1, shows a text. Of the screen, tmux sends only what
// has changed, in an order of its own.
func (d *desk) shows(terminal, text string) {
	d.t.Helper()
	steptest.WaitFor(d.t, "terminal "+terminal+" shows "+text, func() bool {
		shown := d.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", ":0."+terminal)
		return strings.Contains(shown, text)
	})
}

// opened waits until both shells wait for a line, and the cursor is in terminal 2.
func (d *desk) opened() {
	d.t.Helper()
	d.shows("0", "host# ")
	d.shows("1", "host# ")
	d.active("1")
}

// active waits until a terminal has the cursor.
func (d *desk) active(terminal string) {
	d.t.Helper()
	steptest.WaitFor(d.t, "the cursor is in terminal "+terminal, func() bool {
		return d.tmux("display-message", "-p", "#{pane_index}") == terminal+"\n"
	})
}

// on waits for a text anywhere on the screen.
func (d *desk) on(text string) {
	d.t.Helper()
	steptest.WaitFor(d.t, text+" on the screen", func() bool {
		return strings.Contains(d.Raw(), text)
	})
}

// What a person types is in the terminal that the cursor is in: terminal 2 first.
func TestStart(t *testing.T) {
	survivor := fmt.Sprintf("sleep 1009.%d", os.Getpid())
	for _, columns := range []int{80, 170} {
		s := started(t, columns, nil, "1")
		s.on("docs/1-pid.md")
		s.on("terminal 2: goes inside")
		s.on("Ctrl-b d: end")
		s.opened()
		s.Type("step1-pid -p sh -c 'echo pid=$$'; ipcmk -Q; hostname other\n")
		s.shows("1", "pid=1\n")
		s.shows("1", "Message queue id: 0")
		s.Type("echo left=$(ls -A)=\n")
		s.shows("1", "left==\n")
		s.Type("sh -c 'trap \"\" HUP TERM; setsid " + survivor + " & exec cat'\n")
		steptest.WaitForProcess(t, survivor, "")
		s.Type("\x02d")
		assert.Zero(t, s.Wait())
		assert.Empty(t, steptest.Processes(survivor))
	}
}

// The other terminal is in the same directory and in the same namespaces, and so is one
// that the person opens. Ctrl-b Ctrl-z doesn't suspend tmux.
func TestBoth(t *testing.T) {
	s := started(t, 80, nil)
	s.opened()
	s.Type("touch here; hostname other; mount -t tmpfs none /mnt && touch /mnt/file; " +
		"echo ready=$?\n")
	s.shows("1", "ready=0")
	s.Type("\x02\x1a\x02o") // Ctrl-b Ctrl-z; Ctrl-b o, to the other one
	s.active("0")
	s.Type("ls -1 here /mnt/file; echo name=$(uname -n)\n")
	s.shows("0", "\n/mnt/file\nhere\nname=other\n")
	s.Type("\x02\"") // Ctrl-b ", a third one below
	s.active("1")
	s.shows("1", "host# ")
	s.Type("type -P step1-pid; echo here=$(ls)\n")
	s.shows("1", "/step1-pid\nhere=here\n")
	s.Type("exit\n")
	s.active("0")
	s.Type("exit\n")
	steptest.WaitFor(t, "one terminal is left", func() bool {
		return s.tmux("list-panes", "-F", "pane") == "pane\n"
	})
	s.Type("exit\n")
	assert.Zero(t, s.Wait())
	assert.NoFileExists(t, "/mnt/file")
}

// In another tmux, the keys are others.
func TestNested(t *testing.T) {
	for _, variable := range []string{"TMUX=/no/tmux,1,0", "TERM=screen"} {
		s := started(t, 80, []string{variable})
		s.on("Ctrl-t d: end")
		s.opened()
		s.Type("\x14d")
		assert.Zero(t, s.Wait())
	}
}

// children returns the processes that a process has started.
func children(of int) (pids []int) {
	all, _ := linux.Processes()
	for pid, p := range all {
		if p.Parent == of && !p.Zombie {
			pids = append(pids, pid)
		}
	}
	return pids
}

// client returns the PID of tmux's client.
func (d *desk) client() (pid int) {
	d.t.Helper()
	steptest.WaitFor(d.t, "a client", func() bool {
		pid, _ = strconv.Atoi(strings.TrimSpace(d.tmux("list-clients", "-F", "#{client_pid}")))
		return pid > 0
	})
	return pid
}

// Ended by a signal, it gives the terminal back, whatever tmux does at that moment.
func TestStopped(t *testing.T) {
	for name, prepare := range map[string]func(s *desk){
		"open": func(s *desk) { s.opened() },
		"the client is stopped": func(s *desk) {
			s.opened()
			require.NoError(t, unix.Kill(s.client(), unix.SIGSTOP))
		},
		"at the start": func(s *desk) {
			steptest.WaitFor(t, "a child", func() bool {
				return len(children(s.cmd.Process.Pid)) > 0
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, 80, nil)
			before := s.Before()
			prepare(s)
			require.NoError(t, s.cmd.Process.Signal(unix.SIGTERM))
			after := before
			steptest.WaitFor(t, "the end", func() bool {
				after = s.Settings()
				return steptest.ReadProcess(strconv.Itoa(s.cmd.Process.Pid)).State == "Z"
			})
			assert.Equal(t, 143, s.Wait())
			assert.Equal(t, before, after)
		})
	}
}

// A terminal that is closed sends SIGHUP from its shell and from the kernel. What ignores
// SIGHUP makes the end take longer.
func TestHangUp(t *testing.T) {
	s := started(t, 80, nil)
	s.opened()
	s.Type("for i in {1..40}; do (trap '' HUP TERM; exec setsid sleep 1010) & done; " +
		"echo all=$i\n")
	s.shows("1", "all=40")
	for s.cmd.Process.Signal(unix.SIGHUP) == nil {
		if steptest.ReadProcess(strconv.Itoa(s.cmd.Process.Pid)).State == "Z" {
			break
		}
	}
	assert.Equal(t, 129, s.Wait())
}

// Killed, it leaves its directory, which cleanup removes when the terminals have ended.
func TestKilled(t *testing.T) {
	s := started(t, 80, nil)
	s.opened()
	cleanup := func() string {
		cmd := exec.Command(steptest.Bin("workshop"), "cleanup")
		cmd.Env = append(os.Environ(), "TMPDIR="+s.rooms)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	client := s.client()
	require.NoError(t, unix.Kill(client, unix.SIGSTOP)) // it can't end yet
	require.NoError(t, s.cmd.Process.Kill())
	steptest.WaitFor(t, "the end of start", func() bool {
		return steptest.ReadProcess(strconv.Itoa(s.cmd.Process.Pid)).State == "Z"
	})
	assert.NotContains(t, cleanup(), "directory "+s.rooms)
	require.NoError(t, unix.Kill(client, unix.SIGCONT))
	assert.Equal(t, -1, s.Wait())
	steptest.WaitFor(t, "cleanup removes the directory", func() bool {
		return strings.Contains(cleanup(), "removed: directory "+s.rooms)
	})
}

// What a person without tmux is told works as it stands.
func TestInstructions(t *testing.T) {
	steptest.NeedsHost(t)
	me := advice.Person{Root: true}
	bin := filepath.Join(t.TempDir(), "my bin")
	require.NoError(t, os.Symlink(filepath.Dir(steptest.Bin("workshop")), bin))
	text := instructions("tmux isn't here.", bin, me)
	first, commands, _ := strings.Cut(text, "\n\n")
	assert.Equal(t, "tmux isn't here. Open two terminals, and type into both:", first)
	cmd := exec.Command("bash", "-euc", commands+`
		[ "$(ls -A)" = "" ] && [ "$PS1" = 'host# ' ] && step1-pid -p sh -c 'echo $$'`)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err)
	assert.Equal(t, "1\n", string(out))

	// Without sudo, it is what that page lets a person type, and its test executes.
	rootless, err := docs.FS.ReadFile("rootless.md")
	require.NoError(t, err)
	text = instructions("This is no terminal.", bin, advice.Person{})
	assert.Contains(t, text, "\n  sudo -s\n")
	_, text, found := strings.Cut(text, "\nWithout sudo,")
	require.True(t, found)
	typed := regexp.MustCompile("(?m)^  (.*)$").FindAllStringSubmatch(text, -1)
	require.Len(t, typed, 3)
	for _, line := range typed {
		assert.Contains(t, string(rootless), "\n"+line[1]+"\n")
	}
}

// Where tmux can't start, it says why, and start names a fix.
func TestTmuxFails(t *testing.T) {
	s := started(t, 200, []string{"TERM=nosuch"}, "pid")
	s.Expect("unsuitable terminal: nosuch\n")
	s.Expect(`workshop: /.*tmux: exit status 1\n  TERM=xterm TMPDIR=/tmp .* start 1-pid\n`)
	assert.Equal(t, 1, s.Wait())
}

// Where the namespaces can't be made, it isn't tmux that fails.
func TestRefused(t *testing.T) {
	steptest.NeedsHost(t)
	cmd := exec.Command("setpriv", "--bounding-set", "-sys_admin",
		steptest.Bin("workshop"), "start", "1")
	cmd.Env = append(os.Environ(), "TERM=xterm", "TMPDIR="+t.TempDir())
	s := steptest.OpenColumns(t, 200, cmd)
	s.Expect(`^workshop: unshare CLONE_NEWNS\|CLONE_NEWUTS\|CLONE_NEWIPC: operation not ` +
		`permitted\n  to see what can't run on this machine: /.*workshop doctor\n$`)
	assert.Equal(t, 1, s.Wait())
}

// Without a terminal it prints them.
func TestNoTerminal(t *testing.T) {
	for _, path := range []string{os.Getenv("PATH"), "/nonexistent"} {
		cmd := exec.Command(steptest.Bin("workshop"), "start")
		cmd.Env = append(os.Environ(), "PATH="+path)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err)
		assert.Contains(t, string(out), "  export PS1='host# '\n")
	}
}

func TestBadInput(t *testing.T) {
	for args, want := range map[string]string{
		"nine": "workshop: no chapter nine; there are 0-setup, 1-pid, ",
		"1 2":  "workshop: one chapter: 2\n",
	} {
		cmd := exec.Command(steptest.Bin("workshop"),
			append([]string{"start"}, strings.Fields(args)...)...)
		out, _ := cmd.CombinedOutput()
		assert.Contains(t, string(out), want)
		assert.Equal(t, 125, cmd.ProcessState.ExitCode())
	}
}

func TestGreeting(t *testing.T) {
	ch := &page.Chapter{Name: "1-pid", Title: "1 PID: x"}
	top := t.TempDir()
	bin := filepath.Join(top, "bin")
	assert.Equal(t, "1 PID: x\nThe page: docs/1-pid.md\nThis is terminal 1. It stays on "+
		"the host. In terminal 2 you go inside. You are root in a user namespace.",
		greeting(ch, bin, advice.Person{UserNS: true}))
	assert.Equal(t, "This is terminal 1. It stays on the host. In terminal 2 you go "+
		"inside.", greeting(nil, bin, advice.Person{}))
	file := filepath.Join(top, "docs", "1-pid.md")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	assert.Contains(t, greeting(ch, bin, advice.Person{}), "\nThe page: "+file+"\n")
}

func TestEnvironment(t *testing.T) {
	assert.Equal(t,
		[]string{"HOME=/me", "A=b=c", "PATH=/bin:/sbin", "PS1=host# ", "HISTFILE="},
		environment([]string{
			"HOME=/me", "PATH=/old", "TMUX=x", "A=b=c", "PS1=x", "HISTFILE=/me/history",
		}, "/bin:/sbin"))
}
