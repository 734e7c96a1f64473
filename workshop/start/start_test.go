//go:build linux

package start

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
	"nsteps/workshop/advice"
	"nsteps/workshop/page"
)

func TestMain(m *testing.M) { steptest.Main(m, steptest.Steps("workshop")...) }

// started opens the terminals on a screen of some columns, with a directory for temporary
// files that has to be empty in the end. The path of the programs has a space.
func started(t *testing.T, columns int, args ...string,
) (*steptest.Terminal, *exec.Cmd) {
	t.Helper()
	steptest.NeedsHost(t)
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("SKIPPED: needs tmux")
	}
	tmp, err := os.MkdirTemp("", "start") // a socket's path is short (unix(7))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(tmp)) })
	bin := filepath.Join(tmp, "my bin")
	require.NoError(t, os.Symlink(filepath.Dir(steptest.Bin("workshop")), bin))
	rooms := filepath.Join(tmp, "rooms")
	require.NoError(t, os.Mkdir(rooms, 0o755))
	t.Cleanup(func() {
		left, err := os.ReadDir(rooms)
		assert.NoError(t, err)
		assert.Empty(t, left)
	})
	cmd := exec.Command(filepath.Join(bin, "workshop"),
		append([]string{"start"}, args...)...)
	if os.Getenv("TERM") != "nosuch" {
		t.Setenv("TERM", "xterm")
	}
	cmd.Env = append(os.Environ(), "TMPDIR="+rooms, "LC_ALL=C.UTF-8",
		"TMUX=/no/tmux,1,0", "PS1=mine> ", "PROMPT_COMMAND=echo mine")
	return steptest.OpenColumns(t, columns, cmd), cmd
}

// What a person types is in the terminal that the cursor is in: terminal 2 first.
func TestStart(t *testing.T) {
	for _, columns := range []int{80, 170} {
		s, _ := started(t, columns, "1")
		s.Expect("docs/1-pid.md")
		s.Expect("terminal 2: goes inside")
		s.Expect("host# ")
		s.Type("step1-pid -p sh -c 'echo pid=$$'; ipcmk -Q; hostname other\n")
		s.Expect("pid=1\n|pid=1\x1b")
		s.Expect("Message queue id: 0")
		s.Type("echo left=$(ls -A)=\n")
		s.Expect("left==")
		s.Type("sh -c 'trap \"\" HUP TERM; setsid sleep 1009 & exec cat'\n")
		steptest.WaitForProcess(t, "sleep 1009", "")
		s.Type("\x02d")
		assert.Zero(t, s.Wait())
		assert.Empty(t, steptest.Processes("sleep 1009"))
	}
}

// The other terminal is in the same directory and in the same namespaces.
func TestBoth(t *testing.T) {
	s, _ := started(t, 80)
	s.Expect("host# ")
	s.Type("touch here; hostname other; mount -t tmpfs none /mnt && touch /mnt/file\n")
	s.Type("\x02\x1b[A") // Ctrl-b, arrow up
	s.Type("until ls here /mnt/file; do sleep 0.1; done; uname -n; tty >tty\n")
	s.Expect("/mnt/file")
	s.Expect("other")
	s.Type("exit\n")
	s.Expect("terminal 2: goes inside") // it has the whole screen now
	s.Type("exit\n")
	assert.Zero(t, s.Wait())
	assert.NoFileExists(t, "/mnt/file")
}

// Ended by a signal, it gives the terminal back.
func TestStopped(t *testing.T) {
	s, cmd := started(t, 80)
	before := s.Settings()
	s.Expect("host# ")
	steptest.WaitFor(t, "tmux has the terminal", func() bool {
		return s.Settings().Lflag != before.Lflag
	})
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	assert.Equal(t, 143, s.Wait())
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

	assert.Contains(t, instructions("This is no terminal.", bin, advice.Person{}),
		"  sudo -s   # without sudo, in terminal 2: unshare --user --map-root-user bash\n")
}

// Where tmux can't start, it says why, and start names a fix.
func TestTmuxFails(t *testing.T) {
	t.Setenv("TERM", "nosuch")
	s, _ := started(t, 200)
	s.Expect("unsuitable terminal: nosuch\n")
	s.Expect(`workshop: /.*tmux: exit status 1\n  TERM=xterm TMPDIR=/tmp .* start\n`)
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
	assert.Equal(t, "1 PID: x\nThe page: docs/1-pid.md\nThis is terminal 1. It stays on "+
		"the host. In terminal 2 you go inside. You are root in a user namespace.",
		greeting(ch, advice.Person{UserNS: true}))
	assert.Equal(t, "This is terminal 1. It stays on the host. In terminal 2 you go "+
		"inside.", greeting(nil, advice.Person{}))
}

func TestEnvironment(t *testing.T) {
	assert.Equal(t,
		[]string{"HOME=/me", "A=b=c", "PATH=/bin:/sbin", "PS1=host# ", "HISTFILE="},
		environment([]string{
			"HOME=/me", "PATH=/old", "TMUX=x", "A=b=c", "PS1=x", "HISTFILE=/me/history",
		}, "/bin:/sbin"))
}
