//go:build linux

package play

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/docs"
	"nsteps/internal/linux"
	"nsteps/internal/steptest"
	"nsteps/workshop/page"
)

func TestMain(m *testing.M) {
	steptest.Main(m, steptest.Steps("binlibdepcp", "workshop")...)
}

func TestChoose(t *testing.T) {
	setup := &page.Chapter{Name: "0-setup"}
	one, two := &page.Chapter{Name: "1-pid"}, &page.Chapter{Name: "2-mnt"}
	jail, escape := &page.Chapter{Name: "6-chroot"}, &page.Chapter{Name: "6-escape"}
	other := &page.Chapter{Name: "from-c"}
	all := []*page.Chapter{setup, one, two, jail, escape, other}
	for name, want := range map[string]*page.Chapter{
		"1": one, "1-pid": one, "pid": one,
		"step1-pid": one, "mnt": two, "from-c": other,
		"0": setup, "setup": setup,
		"6": jail, "chroot": jail, "6-escape": escape, "escape": escape,
	} {
		got, err := choose(all, []string{name})
		assert.NoError(t, err)
		assert.Equal(t, []*page.Chapter{want}, got)
	}
	got, err := choose(all, nil)
	assert.NoError(t, err)
	assert.Equal(t, []*page.Chapter{one, two, jail, escape}, got)
	_, err = choose(all, []string{"c"})
	assert.EqualError(t, err, "no chapter c; there are 0-setup, 1-pid, 2-mnt, "+
		"6-chroot, 6-escape, from-c")
	_, err = choose(all, []string{"1", "2"})
	assert.EqualError(t, err, "one chapter, and options before it: 2")
}

func TestSection(t *testing.T) {
	some := []page.Part{{Step: &page.Step{}}}
	ch := &page.Chapter{Name: "1", Sections: []*page.Section{
		{Title: "T"},
		{Title: "On the host", Parts: some},
		{Title: "Words"},
		{Title: "Inside the host", Parts: some},
		{Title: "Host", Parts: some},
	}}
	for name, want := range map[string]int{
		"T": 0, "on the": 1, "host": 4,
		"inside": 3, "HOST": 4,
	} {
		got, err := section(ch, name)
		assert.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	for _, name := range []string{"", "words", "x y"} {
		_, err := section(ch, name)
		assert.ErrorContains(t, err, "chapter 1 has no section ")
		assert.ErrorContains(t, err,
			"; there are T, 'On the host', 'Inside the host', Host")
	}
}

// play returns the command "workshop play", with a directory for temporary files that
// has to be empty in the end. NeedsHost finds the processes that are left.
func play(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	steptest.NeedsHost(t)
	steptest.LockChapters(t)
	tmp := t.TempDir()
	cmd := exec.Command(steptest.Bin("workshop"), append([]string{"play"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TERM=xterm", "NO_COLOR=")
	t.Cleanup(func() {
		left, err := os.ReadDir(tmp)
		assert.NoError(t, err)
		assert.Empty(t, left)
	})
	return cmd
}

func TestPlay(t *testing.T) {
	// without a terminal it is automatic
	for _, option := range []string{"--auto", "-a", ""} {
		t.Run(option, func(t *testing.T) {
			out, err := play(t, strings.Fields(option+" 1")...).CombinedOutput()
			require.NoError(t, err, string(out))
			for _, want := range []string{
				"\n== 1 PID: ", "\nTry it (section 1 of ", "`$$`", "\n terminal 1 \nhost# ",
				"\nhost# step1-pid -p bash --norc\n",
				"\n terminal 2 \nstep1-pid# echo $$ $PPID\n1 0\n", "\nThat was the chapter.",
			} {
				assert.Contains(t, string(out), want)
			}
			// colours, and what only the session sees
			for _, not := range []string{"\x1b", "\r", "HISTFILE", "PROMPT_COMMAND"} {
				assert.NotContains(t, string(out), not)
			}
			for _, line := range folded(t, "1-pid.md") {
				assert.NotContains(t, string(out), "# "+line+"\n", "an answer")
			}
		})
	}
}

// folded returns the commands of a page's answers that stand nowhere else on it.
func folded(t *testing.T, name string) (lines []string) {
	t.Helper()
	text, err := docs.FS.ReadFile(name)
	require.NoError(t, err)
	ch, err := page.Parse(name, text)
	require.NoError(t, err)
	var open []string
	for _, step := range ch.Steps() {
		if step.Folded {
			lines = append(lines, step.Lines...)
		} else {
			open = append(open, step.Lines...)
		}
	}
	require.NotEmpty(t, lines)
	return slices.DeleteFunc(lines, func(line string) bool {
		return slices.Contains(open, line)
	})
}

func TestPlaySection(t *testing.T) {
	out, err := play(t, "--auto", "--section", "surprise", "1").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Regexp(t, `\nThe surprise: [^\n]+ \(section 2 of \d\)\n`, string(out))
	// the shell of the section before
	assert.Contains(t, string(out), "\nstep1-pid# ")
	assert.NotContains(t, string(out), "(section 1 of")
}

func TestList(t *testing.T) {
	for args, want := range map[string]string{
		"":  `(?m)^1-pid +1 PID: `,
		"1": `(?m)^  +[0-9]+ commands  Try it$`,
	} {
		t.Run(args, func(t *testing.T) {
			out, err := play(t, strings.Fields("--list "+args)...).CombinedOutput()
			require.NoError(t, err)
			assert.Regexp(t, want, string(out))
		})
	}
}

func TestBadInput(t *testing.T) {
	for _, test := range []struct {
		args, want string
		status     int
	}{
		{"nine", "workshop: no chapter nine; there are 0-setup, 1-pid, ", 125},
		{"1 2", "workshop: one chapter, and options before it: 2", 125},
		{"--section x 1", "workshop: chapter 1-pid has no section x; there are ", 125},
		{"--section Try", "workshop: --section needs a chapter, too", 125},
		{"1 --auto --section", "workshop: option needs a value: --section", 125},
		{"--colour 1", "workshop: no such option: --colour", 125},
	} {
		t.Run(test.args, func(t *testing.T) {
			cmd := play(t, strings.Fields(test.args)...)
			out, _ := cmd.CombinedOutput()
			assert.Contains(t, string(out), test.want)
			assert.Equal(t, test.status, cmd.ProcessState.ExitCode())
		})
	}
}

func TestClosedPipe(t *testing.T) {
	cmd := play(t, "--auto", "1")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	var message bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &message
	require.NoError(t, cmd.Start())
	w.Close()
	_, err = r.Read(make([]byte, 10))
	require.NoError(t, err)
	r.Close()
	assert.Error(t, cmd.Wait())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Equal(t, "workshop: write standard output: broken pipe\n", message.String())
}

// A line is typed only into the shell that it is meant for: where a step fails, play
// shows its error and the fix, and ends. The host here is one in a user namespace,
// because the limits of namespaces are set for each user namespace (namespaces(7)).
func TestStepFails(t *testing.T) {
	steptest.NeedsHost(t)
	for _, test := range []struct {
		name, setup, chapter string
		want                 []string
	}{
		{"no NET namespaces", "sysctl -q -w user.max_net_namespaces=0", "4", []string{
			"step4-net: clone CLONE_NEWNET: no space left on device\n",
			"user.max_net_namespaces=",
			"play 4-net stopped at docs/4-net.md:",
			"'step4-net -n bash --norc': it ended with status 125\n  fix what it " +
				"printed above, then: ",
		}},
		{"no PID namespaces", "sysctl -q -w user.max_pid_namespaces=0", "1", []string{
			"step1-pid: clone CLONE_NEWPID: no space left on device\n",
			"user.max_pid_namespaces=",
			"'step1-pid -p bash --norc': it ended with status 125\n",
		}},
		{"no message queues", "ulimit -q 0", "5", []string{
			"step5-ipc: mq_open /ipc_namespace: too many open files\n", "RLIMIT_MSGQUEUE",
			"'step5-ipc -pmnu box -i no bash --norc': the program that has " +
				"to read the next line has ended: it ended with status 125\n",
		}},
		{
			"no programs in the directory",
			"mount -t tmpfs -o noexec none $TMPDIR", "6",
			[]string{
				"step6-chroot: exec /bin/bash: permission denied\n",
				"is on a file system that executes no programs (noexec); choose " +
					"another: " +
					"TMPDIR=DIRECTORY ",
			},
		},
		{"no Go", "PATH=/usr/sbin:/usr/bin:/sbin:/bin; ! command -v go >/dev/null || " +
			"exit 99", "escape", []string{
			"bash: go: command not found\n", "it ended with status 127\n  a program is " +
				"missing; to see which, and its package: ",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := play(t, "--auto", test.chapter)
			script := `look() { ip -o link; hostname; ls /dev/shm; cat /proc/sysvipc/msg /proc/self/mounts; }
` + test.setup + `
before=$(look); "$@"; status=$?
[ "$(look)" = "$before" ] || { echo the host has changed; look; }
[ -z "$(ls -A "$TMPDIR")" ] || echo something is left in "$TMPDIR"
echo status $status
`
			host := exec.Command("unshare",
				append([]string{
					"--user", "--map-root-user", "--mount", "--uts",
					"--net", "--ipc",
					"bash", "-c", script, "bash",
				}, cmd.Args...)...)
			host.Env = append(cmd.Env, "NO_COLOR=1")
			s := steptest.OpenColumns(t, 200, host)
			out := s.Expect(`(?m)^status [0-9]+$`)
			if strings.Contains(out, "status 99") {
				t.Skip("SKIPPED: go is in a directory with other programs")
			}
			for _, want := range test.want {
				assert.Contains(t, out, want)
			}
			assert.True(t, strings.HasSuffix(out, "\nstatus 1"), out)
			assert.NotContains(t, out, "the host has changed")
			assert.NotContains(t, out, "is left in")
			// Nothing is typed behind the line that failed.
			_, after, _ := strings.Cut(out, "workshop: play ")
			assert.NotContains(t, after, "# ")
		})
	}
}

// Two plays at once don't see each other.
func TestTwoPlays(t *testing.T) {
	for _, step := range nsteps.Steps[:6] {
		t.Run(step.Name, func(t *testing.T) {
			first := play(t, "--auto", step.Name)
			second := exec.Command(first.Path, first.Args[1:]...)
			second.Env = first.Env
			var out [2]bytes.Buffer
			for i, cmd := range []*exec.Cmd{first, second} {
				cmd.Stdout, cmd.Stderr = &out[i], &out[i]
				require.NoError(t, cmd.Start())
			}
			assert.NoError(t, first.Wait(), out[0].String())
			assert.NoError(t, second.Wait(), out[1].String())
		})
	}
}

// What a chapter leaves in shared memory when it is left halfway ends with it.
func TestSharedMemory(t *testing.T) {
	cmd := play(t, "5")
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	s := steptest.OpenColumns(t, 80, cmd)
	for !strings.Contains(s.All(), ">/dev/shm/nsteps-chapter-5\n") {
		s.Expect(`\n(host# |step5-ipc# |input> |key> )$`)
		s.Type("  ") // it goes on, and shows the whole line
	}
	s.Expect(`# $`)
	assert.NoFileExists(t, "/dev/shm/nsteps-chapter-5")
	s.Type("q")
	assert.Zero(t, s.Wait())
	assert.NoFileExists(t, "/dev/shm/nsteps-chapter-5")
}

func TestKeys(t *testing.T) {
	cmd := play(t, "1")
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	s := steptest.OpenColumns(t, 20, cmd)
	before := s.Before()
	s.Expect(`Enter, space   the next command`)
	s.Expect(`\nq              the end\n`)
	s.Expect(`Try it \(section 1 of\n.\)\n`)
	s.Expect(`\n terminal 2 \nhost# $`)
	s.Type("x") // no key that goes on: the next one does
	s.Type(" ")
	s.Expect(`^[^\n]+\nhost# $`)
	s.Type("\r")
	s.Expect(`^step1-pid -p bash --norc\n`)
	s.Expect(`\nstep1-pid# $`)
	s.Type("q")
	s.Expect(`^\n$`) // the prompt of the shell around it begins a line
	assert.Zero(t, s.Wait())
	assert.Equal(t, before, s.Settings())
	assert.NotContains(t, s.All(), "\x1b")
}

// f and b go forward and back by section, with the commands in between executed unseen.
func TestSections(t *testing.T) {
	cmd := play(t, "1")
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	s := steptest.OpenColumns(t, 80, cmd)
	const first, second, third = `Try it \(section 1 of \d\)`, `The surprise: [^\n]+ \(section 2 ` +
		`of \d\)`, `\(section 3 of \d\)`
	s.Expect(first + `(?s:.*)\nhost# $`)
	s.Type("f") // nothing of it has been typed, and all of it has to be
	s.Expect(second + `(?s:.*)\nstep1-pid# $`)
	s.Type("  ")
	s.Expect(`\nstep1-pid# $`)
	s.Type("b") // to the start of this section
	s.Expect(`The commands before this section run again, unseen\.\n\n` + second +
		`(?s:.*)\nstep1-pid# $`)
	s.Type("\x1b[D") // nothing has been typed: to the one before
	s.Expect(first + `(?s:.*)\nhost# $`)
	s.Type("\x1bOC")
	s.Expect(second + `(?s:.*)\nstep1-pid# $`)
	s.Type("\x1b[C")
	s.Expect(third + `(?s:.*)# $`)
	for range 5 {
		s.Type("f") // behind the last one, the chapter ends
	}
	s.Expect(`That was the chapter\.`)
	assert.Zero(t, s.Wait())
}

func TestColours(t *testing.T) {
	s := steptest.OpenColumns(t, 80, play(t, "1"))
	s.Expect("\x1b\\[30;42m terminal 1 \x1b|\x1b\\[30;43m terminal 2 \x1b")
	s.Expect("host# $")
	assert.NotContains(t, s.All(), "`", "code is bold")
	s.Type("q")
	assert.Zero(t, s.Wait())
}

// However it is ended, the terminal is as it was, and the machine too.
func TestStopped(t *testing.T) {
	for _, test := range []struct {
		name   string
		stop   func(s *steptest.Terminal, cmd *exec.Cmd)
		status int
	}{
		{"Ctrl-C", func(s *steptest.Terminal,
			_ *exec.Cmd,
		) {
			s.Type(steptest.CtrlC)
		}, 130},
		{"SIGTERM", func(_ *steptest.Terminal,
			cmd *exec.Cmd,
		) {
			_ = cmd.Process.Signal(unix.SIGTERM)
		}, 143},
		{"SIGHUP", func(_ *steptest.Terminal,
			cmd *exec.Cmd,
		) {
			_ = cmd.Process.Signal(unix.SIGHUP)
		}, 129},
	} {
		t.Run(test.name+" at a prompt", func(t *testing.T) {
			cmd := play(t, "--section", "surprise", "1")
			s := steptest.OpenColumns(t, 80, cmd)
			before := s.Before()
			s.Expect("# $")
			test.stop(s, cmd)
			assert.Equal(t, test.status, s.Wait())
			assert.Equal(t, before, s.Settings())
		})
		t.Run(test.name+" while it plays", func(t *testing.T) {
			cmd := play(t, "--auto", "1")
			s := steptest.OpenColumns(t, 80, cmd)
			s.Expect("\nstep1-pid# ")
			test.stop(s, cmd)
			assert.Equal(t, test.status, s.Wait())
		})
	}
}

// After Ctrl-Z and fg, keys are single again.
func TestContinued(t *testing.T) {
	cmd := play(t, "1")
	s := steptest.OpenColumns(t, 80, exec.Command("bash", "--norc", "--noprofile",
		"--noediting", "-i"))
	s.Expect(`\$ $|# $`)
	s.Type("TMPDIR=" + envOf(cmd, "TMPDIR") + " " + cmd.Path + " play 1\n")
	s.Expect("\nhost# $")
	s.Type(steptest.CtrlZ)
	s.Expect("Stopped")
	s.Type("fg\n")
	steptest.WaitFor(t, "keys are single",
		func() bool { return s.Settings().Lflag&unix.ICANON == 0 })
	s.Type("  ")
	s.Expect(`\nhost# $`)
	s.Type("q")
	s.Type("echo status $?\n")
	s.Expect("status 0")
}

// kill %1 ends a play that Ctrl-Z has stopped, and leaves the shell its terminal.
func TestKillStopped(t *testing.T) {
	for _, sig := range []string{"TERM", "HUP"} {
		t.Run(sig, func(t *testing.T) {
			cmd := play(t, "1")
			s := steptest.OpenShell(t)
			before := s.Settings()
			s.Type("TMPDIR=" + envOf(cmd, "TMPDIR") + " " + cmd.Path + " play 1\n")
			s.Expect("\nhost# $")
			steptest.WaitFor(t, "keys are single",
				func() bool { return s.Settings().Lflag&unix.ICANON == 0 })
			s.Type(steptest.CtrlZ)
			s.Expect("Stopped.*\nhost> $")
			pid := strings.Fields(s.Run("jobs -p"))[0]
			s.Run("kill -" + sig + " %1")
			steptest.WaitFor(t, "the job has ended", func() bool {
				return steptest.ReadProcess(pid).State == ""
			})
			s.Run("wait")
			assert.Contains(t, s.Run("jobs; echo none"), "none\n")
			assert.Equal(t, before, s.Settings())
		})
	}
}

func envOf(cmd *exec.Cmd, name string) (value string) {
	for _, env := range cmd.Env {
		if v, ok := strings.CutPrefix(env, name+"="); ok {
			value = v
		}
	}
	return value
}

// Without root, play runs in a user namespace, or prints what to do.
func TestPlainUser(t *testing.T) {
	if !linux.InInitialUser() {
		t.Skip("SKIPPED: only root can become somebody else; the other tests run as a " +
			"plain user here")
	}
	plain := func(t *testing.T) *exec.Cmd {
		cmd := play(t, "--auto", "--section", "surprise", "1")
		tmp, err := os.MkdirTemp("", "plain")
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.Remove(tmp)) })
		require.NoError(t, os.Chmod(tmp, 0o777))
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
			Uid: 65534, Gid: 65534,
		}}
		return cmd
	}
	t.Run("allowed", func(t *testing.T) {
		out, err := plain(t).CombinedOutput()
		if exec.Command("setpriv", "--reuid=65534", "unshare", "--user",
			"--map-root-user", "true").Run() != nil {
			assert.Contains(t, string(out), "a user namespace is refused")
			return
		}
		require.NoError(t, err, string(out))
		assert.Regexp(t,
			`^Namespaces need root: this runs in a user namespace`, string(out))
		assert.Contains(t, string(out), "\nstep1-pid# ")
	})
	t.Run("no unshare", func(t *testing.T) {
		cmd := plain(t)
		cmd.Env = append(cmd.Env, "PATH=/nonexistent")
		out, _ := cmd.CombinedOutput()
		assert.Contains(t, string(out), "workshop: creating namespaces needs root or "+
			"unshare(1) (package util-linux), and neither is available: sudo ")
		assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	})
}

// unshare(1) that can't be started prints nothing. The error is in its place.
func TestFewDescriptors(t *testing.T) {
	cmd := exec.Command("/bin/sh", append([]string{
		"-c", `ulimit -n 12; exec "$@"`, "sh",
	}, play(t, "--auto", "1").Args...)...)
	if linux.InInitialUser() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
			Uid: 65534, Gid: 65534,
		}}
	} else if os.Getuid() == 0 {
		t.Skip("SKIPPED: needs a plain user")
	}
	out, _ := cmd.CombinedOutput()
	assert.Contains(t, string(out), "a user namespace is refused (")
	assert.NotContains(t, string(out), "()")
	assert.Contains(t, string(out), "; `workshop doctor` shows the cause\n")
}

// Where the namespaces of a session are refused, play names a fix.
func TestRefused(t *testing.T) {
	play := play(t, "--auto", "1")
	cmd := exec.Command("setpriv",
		append([]string{"--bounding-set", "-sys_admin"}, play.Args...)...)
	cmd.Env = play.Env
	out, _ := cmd.CombinedOutput()
	assert.Regexp(t, `^workshop: unshare CLONE_NEWNS\|CLONE_NEWUTS\|CLONE_NEWIPC: `+
		`operation not permitted\n  to see what can't run on this machine: `+
		`/.*workshop doctor\n$`, string(out))
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
}

// What is embedded can be played.
func TestRead(t *testing.T) {
	all, err := read(docs.FS)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	assert.Equal(t, "0-setup", all[0].Name)
	ofSteps, err := choose(all, nil)
	require.NoError(t, err)
	var names []string
	for _, ch := range ofSteps {
		names = append(names, ch.Name)
	}
	var want []string
	for _, step := range nsteps.Steps {
		if !step.Beyond() {
			want = append(want, step.Chapter)
		} else if ch := named(all, step.Label()); assert.NotNil(t, ch, step.Name) {
			assert.Equal(t, step.Chapter, ch.Name)
		}
	}
	assert.Equal(t, append(want, "6-escape"), names)
}

// A page that needs programs which few machines have names what installs them.
func TestNeeds(t *testing.T) {
	cmd := play(t, "--auto", "oci")
	cmd.Env = append(cmd.Env, "PATH=/nonexistent")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 0 {
		t.Skip("SKIPPED: /usr/sbin, which is looked in too, has all programs")
	}
	assert.Regexp(t, `^workshop: chapter oci needs programs that are missing, .*umoci: `+
		`.*install.* umoci`, string(out))
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
}
