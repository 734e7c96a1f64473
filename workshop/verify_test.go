//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
	"nsteps/workshop/procs"
)

// A room is a shell that a step has become, as a person has it in a terminal.
type room struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   interface{ Write([]byte) (int, error) }
	out  *bufio.Scanner
	pid  int // of the shell, out here
	stop func()
}

// enter starts a command, in whose place a shell appears at last, below a directory. The
// words of a step come without the shell.
func enter(t *testing.T, dir string, words ...string) *room {
	t.Helper()
	const loop = `echo ready; while read -r line; do eval "$line"; echo "done $?"; done`
	r := &room{t: t, cmd: exec.Command(words[0], append(words[1:], "/bin/sh",
		"-c", loop)...)}
	r.cmd.Dir, r.cmd.Stderr = dir, os.Stderr
	stdin, err := r.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	r.in, r.out = stdin, bufio.NewScanner(stdout)
	ended := false
	r.stop = func() {
		if !ended {
			ended = true
			stdin.Close()
			_ = r.cmd.Wait()
		}
	}
	t.Cleanup(r.stop)
	r.await("ready")
	all, _, err := procs.Read()
	require.NoError(t, err)
	r.pid = all.Newest(func(p linux.Process) bool {
		return p.Command == "sh" &&
			all.Below(p.PID, r.cmd.Process.Pid)
	})
	if r.pid == 0 {
		r.pid = r.cmd.Process.Pid // it is no step
	}
	return r
}

func (r *room) await(line string) {
	r.t.Helper()
	for r.out.Scan() {
		if r.out.Text() == line {
			return
		}
		if status, ok := strings.CutPrefix(r.out.Text(), "done "); ok {
			r.t.Fatalf("it ends with status %s", status)
		}
	}
	r.t.Fatalf("%q has not come: %v", line, r.out.Err())
}

// types has the shell run a line.
func (r *room) types(line string) {
	r.t.Helper()
	_, err := fmt.Fprintln(r.in, line)
	require.NoError(r.t, err)
	r.await("done 0")
}

// workshop runs the program in a directory, not on a terminal.
func workshop(t *testing.T, dir string, args ...string) (stdout,
	stderr string, status int,
) {
	t.Helper()
	var out, errors strings.Builder
	cmd := exec.Command("workshop", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errors
	_ = cmd.Run()
	require.NotNil(t, cmd.ProcessState, "%v", args)
	return out.String(), errors.String(), cmd.ProcessState.ExitCode()
}

func verified(t *testing.T, dir string, args ...string) (stdout string, status int) {
	t.Helper()
	stdout, stderr, status := workshop(t, dir, append([]string{"verify"}, args...)...)
	assert.Empty(t, stderr)
	return stdout, status
}

var (
	insideHint = regexp.MustCompile(`(?m)^  type in terminal 2, inside: (.*)$`)
	hostHint   = regexp.MustCompile(`(?m)^  type in terminal 2, at host#: (.*) bash --norc$`)
	moreHint   = regexp.MustCompile(`(?m)^  more: workshop (.*)$`)
)

// jailDir returns a directory with a jail in it that has a shell.
func jailDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("binlibdepcp", "-q", "/bin/sh",
		filepath.Join(dir, "jail")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Symlink("jail", filepath.Join(dir, "img")))
	return dir
}

// Who does what the hints say comes to the goal, from a step without any option. At each
// point there is a hint without a command first, and it says what to ask for the command.
func TestVerifyHints(t *testing.T) {
	steptest.NeedsHost(t)
	dir := jailDir(t)
	for n, want := range map[string][]string{
		"8":  {"step8-pivot -pmr img"},
		"1":  {"step1-pid -p", "sleep 1000 &"},
		"2":  {"step2-mnt -pm", "mount -t tmpfs none /mnt"},
		"3":  {"step3-uts -u box"},
		"4":  {"step4-net -n", "ip link set lo up"},
		"5":  {"step5-ipc -i yes", "ipcmk -Q"},
		"6":  {"step6-chroot -pmnu box -i yes -c jail"},
		"11": {"step11-veth -ne 10.9.8.0/30", "ip route add default via 10.9.8.1"},
		"12": {
			"step12-cgroup -g pids.max=20",
			"step12-cgroup -g pids.max=20 -g memory.max=64M",
		},
	} {
		t.Run(n, func(t *testing.T) {
			steptest.NeedsHost(t)
			if n == "12" && !linux.InInitialUser() {
				t.Skip("SKIPPED: needs root, to make a cgroup")
			}
			r := enter(t, dir, "step6-chroot")
			var typed []string
			for {
				pid := strconv.Itoa(r.pid)
				text, status := verified(t, dir, n, pid)
				if status == 0 {
					assert.Regexp(t, `(?m)^goal of chapter `+n+`, \w+: met$`, text)
					assert.NotContains(t, text, "✗")
					assert.NotContains(t, text, "hint")
					break
				}
				require.Equal(t, 1, status, text)
				assert.Regexp(t, `(?m)^goal of chapter `+n+`, \w+: not yet$`, text)
				assert.Regexp(t, `(?m)^  hint: `, text)
				assert.NotRegexp(t, insideHint, text)
				assert.NotRegexp(t, hostHint, text)
				more := moreHint.FindStringSubmatch(text)
				require.NotNil(t, more, text)
				text, status = verified(t, dir, strings.Fields(more[1])[1:]...)
				assert.Equal(t, 1, status)
				require.Less(t, len(typed), 5, "%v %s", typed, text)
				if line := insideHint.FindStringSubmatch(text); line != nil {
					typed = append(typed, line[1])
					r.types(line[1])
					continue
				}
				line := hostHint.FindStringSubmatch(text)
				require.NotNil(t, line, text)
				typed = append(typed, line[1])
				r.stop()
				r = enter(t, dir, strings.Fields(line[1])...)
			}
			assert.Equal(t, want, typed)
		})
	}
}

// steady replaces what is another number each time.
func steady(text string) string {
	text = regexp.MustCompile(`:\[[0-9]+\]`).ReplaceAllString(text, ":[INODE]")
	text = regexp.MustCompile(
		`\b(process|verify -H [1-6]|started by \S+) \(?[0-9]+\)?`).ReplaceAllString(text,
		"$1 PID")
	return regexp.MustCompile(`(?m)^(  mounts:   )[0-9]+`).ReplaceAllString(
		text, "${1}COUNT")
}

// All of what a person reads, once with everything and once with nothing.
func TestVerifyOutput(t *testing.T) {
	steptest.NeedsHost(t)
	dir := jailDir(t)
	r := enter(t, dir, "step6-chroot", "-pmnu", "box", "-i", "yes", "-c", "jail")
	text, _ := verified(t, dir, "chroot", strconv.Itoa(r.pid))
	assert.Equal(t, `process PID, sh, started by step6-chroot PID
  own:      pid:[INODE] mnt:[INODE] uts:[INODE] net:[INODE] ipc:[INODE]
  shared:   user cgroup time
  inside:   PID 1, alone
  root:     `+dir+`/jail
  /proc:    of its PID namespace
  mounts:   COUNT, its own are /proc (proc)
  hostname: box (the host's is host)
  links:    lo down
  queues:   none
goal of chapter 6, chroot: met
  ✓ a root directory that isn't the host's
  ✓ PID, MNT, UTS, NET and IPC namespaces of its own
  ✓ a /proc that is of its own PID namespace
`, steady(strings.ReplaceAll(text, "\n            ", " ")))
	text, _ = verified(t, dir, "-H", "step2-mnt", strconv.Itoa(os.Getpid()))
	assert.Equal(t, `process PID, exe, started by no step
  own:      none
  shared:   user pid mnt uts net ipc cgroup time
  root:     / (the host's)
  /proc:    the host's
  mounts:   the host's
  hostname: host (the host's)
  links:    the host's
  queues:   the host's
goal of chapter 2, MNT: not yet
  ✗ a PID namespace of its own
  ✗ a MNT namespace of its own
  ✗ no mount in a peer group with one of the host's
  ✗ a /proc that is of its own PID namespace: it is the host's
  ✗ a mount, other than /proc, that is not on the host
  hint: The process is in the host's PID namespace. An option of step2-mnt
    makes a new one: step2-mnt --help lists the options.
  type in terminal 2, at host#: step2-mnt -pm bash --norc
`, steady(text))
}

// Facts that make a goal unmet, one by one.
func TestVerifyFacts(t *testing.T) {
	steptest.NeedsHost(t)
	dir := jailDir(t)
	for _, test := range []struct {
		name, step string
		words      string
		types      string
		status     int
		want       string
	}{
		{
			"another's child", "1", "step1-pid -p", "sleep 1000 & sleep 1000 & ", 0,
			`inside:   PID 1, with 2 others`,
		},
		{
			"no proc", "2", "unshare -pmf", "", 1,
			`✗ a /proc that is of its own PID namespace: it is the host's`,
		},
		{
			"a new proc", "2", "unshare -pmf", "mount -t proc proc /proc", 1,
			`✓ a /proc that`,
		},
		{
			"no proc at all", "2", "step2-mnt -pm",
			"umount /proc; umount -l /proc; mount -t tmpfs none /proc", 1,
			`✗ a /proc that is of its own PID namespace: there is none`,
		},
		{
			"an added mount that is a bind", "2", "step2-mnt -pm",
			"mount --bind /etc /mnt",
			0, `/mnt \(\w+\)`,
		},
		{
			"a leak", "2", "unshare -pmf --mount-proc --propagation unchanged", "", 1,
			`✗ no mount in a peer group with one of the host's: /`,
		},
		{
			"a leak stopped", "2", "unshare -pmf --mount-proc --propagation unchanged",
			"mount --make-rprivate /; mount -t tmpfs none /mnt", 0,
			`✓ no mount in a peer group`,
		},
		{
			"a slave", "2", "unshare -pmf --mount-proc --propagation slave",
			"mount -t tmpfs none /mnt", 0, `met`,
		},
		{
			"the host's name", "3", "unshare -u", "", 1,
			`✗ a hostname that isn't the host's`,
		},
		{"a strange name", "3", "step3-uts -u a\x1b[1mb", "", 0, `hostname: a\\x1b\[1mb`},
		{
			"two links", "4", "step4-net -n",
			"ip link add name left type veth peer name right; ip link set left up", 1,
			`links:    lo down, (left up, right down|right down, left up)`,
		},
		{
			"a cable without a route", "11", "step11-veth -ne 10.9.8.0/30", "", 1,
			`✓ a link other than lo is up\n  ✗ a default route`,
		},
		{
			"the routes of the host", "11", "step1-pid", "", 1, `✗ a default route`,
		},
		{
			"System V", "5", "step5-ipc -i yes", "ipcmk -Q; ipcmk -Q", 0,
			`queues:   2 of System V`,
		},
		{
			"POSIX", "5", "step5-ipc -mi yes",
			"mount -t mqueue none /mnt; touch /mnt/one",
			0, `queues:   POSIX /one`,
		},
		{"the host's queues", "5", "step5-ipc", "", 1, `queues:   the host's`},
		{
			"half a container", "6", "step6-chroot -pmc jail", "", 1,
			`of its own: not uts net ipc`,
		},
		{
			"no jail", "6", "step6-chroot -pmnu box -i yes", "", 1,
			`✗ a root directory that isn't the host's`,
		},
		{
			"a jail without proc", "6", "step6-chroot -pnu box -i yes -c jail", "", 1,
			`✗ a /proc that .*: there is none`,
		},
		{
			"in a chroot", "8", "step6-chroot -pmc jail", "", 1,
			`✗ nothing above that root directory:\s+/\S+\s+is\s+above\s+it`,
		},
		{
			"in an image", "8", "step8-pivot -pmr img", "", 0,
			`✓ nothing above that root directory`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			steptest.NeedsHost(t)
			r := enter(t, dir, strings.Fields(test.words)...)
			if test.types != "" {
				r.types(test.types)
			}
			text, status := verified(t, dir, test.step, strconv.Itoa(r.pid))
			assert.Equal(t, test.status, status, text)
			assert.Regexp(t, test.want, text)
			r.stop()
			_ = os.Remove(filepath.Join(dir, "jail/proc"))
		})
	}
}

// Step names, PIDs other than that of PID 1, and the step itself.
func TestVerifyWho(t *testing.T) {
	steptest.NeedsHost(t)
	r := enter(t, "/", "step1-pid", "-p")
	r.types("sleep 1000 &")
	all, _, err := procs.Read()
	require.NoError(t, err)
	sleep := all.Newest(func(p linux.Process) bool { return p.Parent == r.pid })
	require.NotZero(t, sleep)
	for _, name := range []string{"1", "pid", "step1-pid"} {
		_, status := verified(t, "/", name, strconv.Itoa(r.pid))
		assert.Zero(t, status)
	}
	text, status := verified(t, "/", "-H", "1", strconv.Itoa(sleep))
	assert.Equal(t, 1, status)
	assert.Regexp(t, fmt.Sprintf(`^process %d, sleep, started by step1-pid \(%d\)\n`,
		sleep, all[r.pid].Parent), text)
	assert.Regexp(t, `(?m)^  ✗ PID 1 of that namespace: it is PID [0-9]+$`, text)
	assert.Contains(t, text,
		fmt.Sprintf("\n  type in terminal 1: workshop verify 1 %d\n", r.pid))
	text, status = verified(t, "/", "-H", "1", strconv.Itoa(all[r.pid].Parent))
	assert.Equal(t, 1, status)
	assert.Contains(t, text, fmt.Sprintf("\n  hint: This is the parent, which stays "+
		"outside. Its child is process %d.\n", r.pid))
	assert.Contains(t, text,
		fmt.Sprintf("\n  type in terminal 1: workshop verify 1 %d\n", r.pid))
}

func TestVerifyJSON(t *testing.T) {
	steptest.NeedsHost(t)
	r := enter(t, "/", "step4-net", "-pmnu", "box")
	text, status := verified(t, "/", "--json", "-H", "4", strconv.Itoa(r.pid))
	assert.Equal(t, 1, status)
	var got struct {
		Step, Result, Hint string
		Command            struct{ Where, Line string }
		Checks             []struct{ Text, Result string }
		Process            struct {
			PID, Inside   int
			Command, Proc string
			Step          struct{ Name string }
			Namespaces    map[string]struct {
				Inode uint64
				Own   bool
			}
			Hostname string
			Links    []struct {
				Name string
				Up   bool
			}
			Mounts struct {
				Own []struct{ Point, Type string }
			}
			Queues  any
			Unknown map[string]string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	assert.Equal(t, "step4-net", got.Step)
	assert.Equal(t, "not met", got.Result)
	assert.Equal(t, "in terminal 2, inside", got.Command.Where)
	assert.Equal(t, "ip link set lo up", got.Command.Line)
	assert.NotEmpty(t, got.Hint)
	require.Len(t, got.Checks, 2)
	assert.Equal(t, "met", got.Checks[0].Result)
	assert.Equal(t, r.pid, got.Process.PID)
	assert.Equal(t, 1, got.Process.Inside)
	assert.Equal(t, "own", got.Process.Proc)
	assert.Equal(t, "box", got.Process.Hostname)
	assert.Equal(t, "step4-net", got.Process.Step.Name)
	assert.Equal(t, "lo", got.Process.Links[0].Name)
	assert.Equal(t, "/proc", got.Process.Mounts.Own[0].Point)
	assert.Nil(t, got.Process.Queues)
	assert.Empty(t, got.Process.Unknown)
	for kind, ns := range got.Process.Namespaces {
		assert.Equal(t, inode(t, r.pid, kind), ns.Inode)
		assert.Equal(t, strings.Contains("pid mnt uts net", kind), ns.Own, kind)
	}
	r.types("ip link set lo up")
	text, status = verified(t, "/", "--json", "4", strconv.Itoa(r.pid))
	assert.Zero(t, status)
	assert.True(t, strings.HasPrefix(text,
		`{"step":"step4-net","result":"met","checks":[`), text)
	assert.NotContains(t, text, `"hint"`)
}

// Whatever a process calls itself, its hostname and its mount points: a terminal obeys
// none of it, in a table or in JSON.
func TestHostileNames(t *testing.T) {
	steptest.NeedsHost(t)
	const hostile = "a\x1b[1m\u009b\x7f\u202eb" // CSI as two bytes and as one, DEL, RLO
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, hostile), 0o755))
	r := enter(t, dir, "step3-uts", "-mu", hostile)
	r.types(`printf 'a\302\233\177\342\200\256b' >/proc/self/comm; mount -t tmpfs none a*`)
	pid := strconv.Itoa(r.pid)
	for _, command := range []string{
		"verify 3", "verify --json 3", "verify -H 2",
		"verify --json -H 2", "ns", "ns --json", "ns --tree",
		"ns --tree --json",
	} {
		stdout, _, _ := workshop(t, "/", append(strings.Fields(command), pid)...)
		require.NotEmpty(t, stdout, command)
		for line := range strings.Lines(stdout) {
			assert.Equal(t, -1, strings.IndexFunc(strings.Trim(line, "\n"),
				func(r rune) bool { return !strconv.IsPrint(r) }),
				"%s: %q", command, line)
		}
		if !strings.Contains(command, "json") {
			assert.Contains(t, stdout, `a\u009b\x7f\u202eb`, command)
			continue
		}
		var got any
		require.NoError(t, json.Unmarshal([]byte(stdout), &got))
		assert.Contains(t, fmt.Sprint(got), "a\u009b\x7f\u202eb", command)
	}
}

// A user who made the user namespace that a step runs in may enter it, though he is root
// of nothing else.
func TestVerifyUserNamespace(t *testing.T) {
	steptest.NeedsHost(t)
	r := enter(t, "/", "unshare", "--user", "--map-root-user", steptest.Bin("step5-ipc"),
		"-pmnu", "box", "-i", "yes")
	r.types("ip link set lo up; mount -t mqueue none /mnt; touch /mnt/one; ipcmk -Q; " +
		"mount -t tmpfs none /mnt; sleep 1000 &")
	for _, step := range []string{"1", "2", "3", "4", "5"} {
		for _, privileged := range []bool{true, false} {
			words := []string{"workshop", "verify", step, strconv.Itoa(r.pid)}
			if !privileged {
				words = append([]string{"setpriv", "--bounding-set", "-all"}, words...)
			}
			out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
			assert.NoError(t, err, "%v: %s", words, out)
			// with the step's parent
			assert.Contains(t, string(out), "shared:   user cgroup time\n")
			assert.Contains(t, string(out), "hostname: box (the host's is host)\n")
			assert.Contains(t, string(out), "links:    lo up\n")
			assert.Contains(t, string(out), "queues:   1 of System V, POSIX /one\n")
		}
	}
	// From another user namespace not even root.
	out, err := exec.Command("unshare", "--user", "--map-root-user", "workshop", "verify",
		"1", strconv.Itoa(r.pid)).CombinedOutput()
	assert.Error(t, err)
	assert.Regexp(t,
		fmt.Sprintf("^workshop: look at process %d, of .*: permission denied\n"+
			"  it isn't of this user namespace: ask outside, as root or as the user who "+
			"started it\n$", r.pid), string(out))
}

// What can't be seen without a privilege is named, and the goal is left open.
func TestVerifyUnknown(t *testing.T) {
	steptest.NeedsHost(t)
	r := enter(t, "/", "step5-ipc", "-pnu", "box", "-i", "yes", "setpriv",
		"--bounding-set", "-all")
	for step, want := range map[string]string{
		"3": `(?s)hostname: enter uts:\[[0-9]+\] of process PID:.*\? a hostname that`,
		"4": `(?s)links:    enter net:\[[0-9]+\] of process PID:.*\? lo is up`,
		"5": `(?s)queues:   enter ipc:\[[0-9]+\] of process PID:.*\? a message queue`,
	} {
		out, err := exec.Command("setpriv", "--bounding-set", "-all", "workshop",
			"verify", step, strconv.Itoa(r.pid)).CombinedOutput()
		assert.Error(t, err)
		text := strings.ReplaceAll(string(out), "\n            ", " ")
		assert.Regexp(t, strings.ReplaceAll(want, "PID", strconv.Itoa(r.pid)), text)
		assert.Contains(t, text, "operation not permitted")
		assert.Regexp(t, `(?m)^goal of chapter `+step+`, \w+: unknown$`, text)
		assert.Contains(t, text, "  ✓ ")
		assert.NotContains(t, text, "hint")
	}
	r.types("sleep 1000 &")
	out, err := exec.Command("setpriv", "--bounding-set", "-all", "workshop", "verify",
		"1", strconv.Itoa(r.pid)).CombinedOutput()
	assert.NoError(t, err, "%s", out) // it takes none of these
}

// Those of the kernel are seen where /proc is that of the machine.
func TestVerifyKernelThread(t *testing.T) {
	steptest.NeedsHost(t)
	all, _, err := procs.Read()
	require.NoError(t, err)
	thread := all.Newest(func(p linux.Process) bool { return p.Kernel })
	if thread == 0 {
		t.Skip("SKIPPED: no thread of the kernel is to be seen here")
	}
	stdout, stderr, status := workshop(t, "/", "verify", "1", strconv.Itoa(thread))
	assert.Equal(t, 1, status)
	assert.Empty(t, stdout)
	assert.Regexp(t, fmt.Sprintf("^workshop: look at process %d, .*: it is a thread of "+
		"the kernel, which no step starts\n$", thread), stderr)
}

// A process that ends while it is looked at is never mistaken, and nothing is shown of
// it.
func TestVerifyEndsMeanwhile(t *testing.T) {
	steptest.NeedsHost(t)
	ended := regexp.MustCompile(
		`^workshop: look at process [0-9]+: (no such process|it has ended meanwhile|` +
			`it is a zombie: it has exited, but its parent has not collected its status)\n$`)
	for i := range 60 {
		cmd := exec.Command("sleep", strconv.FormatFloat(float64(i)*0.0005, 'f', 4, 64))
		require.NoError(t, cmd.Start())
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		stdout, stderr, status := workshop(t, "/", "verify", "1",
			strconv.Itoa(cmd.Process.Pid))
		<-done
		assert.Equal(t, 1, status)
		if stderr != "" {
			assert.Regexp(t, ended, stderr)
			assert.Empty(t, stdout)
		} else {
			assert.Contains(t, stdout, "goal of chapter 1, PID: not yet\n")
		}
	}
}

// Whatever the width, no prose is broken by the terminal. Commands are, as they are to be
// copied.
func TestVerifyTerminal(t *testing.T) {
	steptest.NeedsHost(t)
	r := enter(t, "/", "step6-chroot", "-pmnu", "box", "-i", "yes")
	for _, columns := range []int{20, 21, 39, 40, 80, 200} {
		for step := 1; step <= 6; step++ {
			text, status := shown(t, columns, "verify", strconv.Itoa(step),
				strconv.Itoa(r.pid))
			assert.Equal(t, btoi(step != 3), status, text)
			assert.Contains(t, text, "\x1b[1mprocess") // in bold
			assert.Contains(t, text, "\x1b[32m✓")
			bare := escapes.ReplaceAllString(text, "")
			prose, _, _ := strings.Cut(bare, "  more: ")
			assert.LessOrEqual(t, widest(prose), min(columns, 80), "%s", text)
			assert.Contains(t, strings.Join(strings.Fields(bare), " "),
				"a hostname that isn't the host's"[:btoi(step == 3)*20])
		}
	}
	text := plain(t, 80, "verify", "3", strconv.Itoa(r.pid))
	assert.Contains(t, text, "process")
	assert.NotContains(t, text, "\x1b")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// It takes little of a person's time.
func TestVerifyFast(t *testing.T) {
	steptest.NeedsHost(t)
	r := enter(t, "/", "step5-ipc", "-pmnu", "box", "-i", "yes")
	begin := time.Now()
	_, status := verified(t, "/", "3", strconv.Itoa(r.pid))
	assert.Zero(t, status)
	assert.Less(t, time.Since(begin), 2*time.Second)
}

// The gateway is the host's end of the cable that the process has.
func TestVerifyGateway(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	r := enter(t, dir, "step11-veth", "-ne", "10.77.8.0/30")
	text, status := verified(t, dir, "-H", "11", strconv.Itoa(r.pid))
	assert.Equal(t, 1, status)
	line := insideHint.FindStringSubmatch(text)
	require.NotNil(t, line, text)
	assert.Equal(t, "ip route add default via 10.77.8.1", line[1])
	r.types(line[1])
	text, status = verified(t, dir, "11", strconv.Itoa(r.pid))
	assert.Zero(t, status, text)
}
