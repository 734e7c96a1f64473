//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, steptest.Steps("workshop", "binlibdepcp")...)
}

func TestScripts(t *testing.T) {
	steptest.LockCgroups(t) // cleanup looks for those of killed runs
	steptest.ScriptsIn(t, "testdata")
}

// start runs a command until the test ends, in the namespaces of a step, and returns its
// PID out here.
func startIn(t *testing.T, step ...string) int {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := exec.Command(steptest.Bin(step[0]), append(step[1:], "sh", "-c",
		"echo ready; read line")...)
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	w.Close()
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	line := make([]byte, 6)
	_, err = r.Read(line)
	require.NoError(t, err)
	children, err := exec.Command("ps", "-o", "pid=", "--ppid",
		strconv.Itoa(cmd.Process.Pid)).Output()
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	require.NoError(t, err)
	return pid
}

func inode(t *testing.T, pid int, kind string) uint64 {
	t.Helper()
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	require.NoError(t, err)
	number, err := strconv.ParseUint(strings.Trim(target, kind+":[]"), 10, 64)
	require.NoError(t, err)
	return number
}

// What --json says is what /proc says, and the tree leads from the new PID namespace to
// the host's.
func TestNsJSON(t *testing.T) {
	steptest.NeedsHost(t)
	pid, self := startIn(t, "step4-net", "-pmnu", "box"), os.Getpid()
	out, err := exec.Command(steptest.Bin("workshop"), "ns", "--json", "--tree",
		strconv.Itoa(self), strconv.Itoa(pid)).Output()
	require.NoError(t, err)
	var got struct {
		Processes []struct {
			PID, Inside int
			Command     string
			Namespaces  map[string]uint64
		}
		Namespaces []struct {
			Type                  string
			Inode, Parent, Userns uint64
			OwnerUID              *int `json:"owner_uid"`
			PIDs                  []int
		}
		Errors []any
	}
	require.NoError(t, json.Unmarshal(out, &got))
	require.Len(t, got.Processes, 2)
	assert.Empty(t, got.Errors)
	assert.Equal(t, pid, got.Processes[1].PID)
	assert.Equal(t, 1, got.Processes[1].Inside)
	assert.Equal(t, "sh", got.Processes[1].Command)
	for _, kind := range []string{
		"pid", "mnt", "uts", "net", "ipc", "user",
		"cgroup", "time",
	} {
		mine, its := got.Processes[0].Namespaces[kind], got.Processes[1].Namespaces[kind]
		assert.Equal(t, inode(t, self, kind), mine, kind)
		assert.Equal(t, inode(t, pid, kind), its, kind)
		own := strings.Contains("pid mnt uts net", kind)
		assert.Equal(t, own, mine != its, kind)
	}
	found := 0
	for _, ns := range got.Namespaces {
		switch {
		case ns.Inode == inode(t, pid, "pid"):
			found++
			assert.Equal(t, inode(t, self, "pid"), ns.Parent)
			assert.Equal(t, inode(t, self, "user"), ns.Userns)
			assert.Equal(t, []int{pid}, ns.PIDs)
		case ns.Inode == inode(t, self, "user"):
			found++
			assert.Equal(t, []int{self, pid}, ns.PIDs)
			require.NotNil(t, ns.OwnerUID)
			// root, or who is root in the user namespace of the tests
			assert.Zero(t, *ns.OwnerUID)
		}
	}
	assert.Equal(t, 2, found)
}

// What is above a namespace is shown, though nobody in it was asked for.
func TestNsTreeOfOne(t *testing.T) {
	steptest.NeedsHost(t)
	pid := startIn(t, "step1-pid", "-p")
	out, err := exec.Command(steptest.Bin("workshop"), "ns", "--tree",
		strconv.Itoa(pid)).Output()
	require.NoError(t, err)
	user := inode(t, pid, "user")
	assert.Contains(t, string(out),
		fmt.Sprintf("pid:[%d] owned by user %d\n   └─ %d sh, PID 1 inside\n",
			inode(t, pid, "pid"), user, pid))
	assert.Regexp(t, fmt.Sprintf(`(?m)^pid:\[%d\]`,
		inode(t, os.Getpid(), "pid")), string(out))
}

// A USER namespace below this one has it as its parent.
func TestNsTreeOfUser(t *testing.T) {
	steptest.NeedsHost(t)
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		stdin.Close()
		_ = cmd.Wait()
	}()
	out, err := exec.Command(steptest.Bin("workshop"), "ns", "--tree",
		strconv.Itoa(os.Getpid()),
		strconv.Itoa(cmd.Process.Pid)).Output()
	require.NoError(t, err)
	_, users, _ := strings.Cut(string(out), "USER namespaces\n")
	assert.Regexp(t, fmt.Sprintf(`(?m)^user:\[%d\] owned by uid 0$`,
		inode(t, os.Getpid(), "user")), users)
	assert.Regexp(t, fmt.Sprintf(`└─ user:\[%d\] owned by uid 0\n   └─ %d cat\n$`,
		inode(t, cmd.Process.Pid, "user"), cmd.Process.Pid), users)
}

// open starts workshop in a terminal, in colour.
func open(t *testing.T, columns int, args ...string) *steptest.Terminal {
	t.Helper()
	cmd := exec.Command(steptest.Bin("workshop"), args...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=")
	return steptest.OpenColumns(t, columns, cmd)
}

// shown returns all that workshop shows in a terminal, and its exit status.
func shown(t *testing.T, columns int, args ...string) (text string, status int) {
	t.Helper()
	s := open(t, columns, args...)
	status = s.Wait()
	return s.All(), status
}

// plain returns all that workshop shows in a terminal where NO_COLOR is set.
func plain(t *testing.T, columns int, args ...string) string {
	t.Helper()
	cmd := exec.Command(steptest.Bin("workshop"), args...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1")
	s := steptest.OpenColumns(t, columns, cmd)
	s.Wait()
	return s.All()
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// widest returns the columns of the longest line, of text that has no wide characters.
func widest(text string) (columns int) {
	for line := range strings.Lines(escapes.ReplaceAllString(text, "")) {
		columns = max(columns, len([]rune(strings.TrimSuffix(line, "\n"))))
	}
	return columns
}

// Whatever the width, nothing is broken by the terminal, and nothing is lost.
func TestNsNarrow(t *testing.T) {
	steptest.NeedsHost(t)
	pids := []string{
		strconv.Itoa(os.Getpid()), strconv.Itoa(startIn(t, "step1-pid", "-p")),
		strconv.Itoa(startIn(t, "step3-uts", "-pu", "box")),
	}
	for _, columns := range []int{20, 21, 40, 80, 200} {
		for _, option := range []string{"--tree", ""} {
			args := []string{"ns", option}
			if option == "" {
				args = args[:1]
			}
			text, status := shown(t, columns, append(args, pids...)...)
			assert.Zero(t, status)
			assert.LessOrEqual(t, widest(text), columns, "%s", text)
			for _, pid := range pids {
				n, _ := strconv.Atoi(pid)
				assert.Contains(t, text, pid)
				assert.Contains(t, text, strconv.FormatUint(inode(t, n, "pid"), 10))
			}
			assert.Contains(t, text, "\x1b[") // in colour
		}
	}
	text, _ := shown(t, 20, append([]string{"ns"}, pids...)...)
	assert.Equal(t, 3, strings.Count(text, "\nuser "), "one below the other: %s", text)
	text, _ = shown(t, 80, append([]string{"ns"}, pids...)...)
	assert.Equal(t, 1, strings.Count(text, "\nuser "), "side by side: %s", text)
}

func TestNoColor(t *testing.T) {
	steptest.NeedsHost(t)
	for _, args := range [][]string{{"ns", "self"}, {"diff", "4"}, {"diff", "-s", "4"}} {
		if args[0] == "ns" {
			args[1] = strconv.Itoa(os.Getpid())
		}
		text, _ := shown(t, 100, args...)
		assert.Contains(t, text, "\x1b[", "%v", args)
		text = plain(t, 100, args...)
		assert.NotEmpty(t, text)
		assert.NotContains(t, text, "\x1b", "%v", args)
	}
}

// The sides come by themselves when there is room, and can be asked for.
func TestDiffWidth(t *testing.T) {
	steptest.NeedsHost(t)
	for _, test := range []struct {
		columns int
		args    []string
		sides   bool
	}{
		{149, []string{"diff", "4"}, false},
		{150, []string{"diff", "4"}, true},
		{150, []string{"diff", "--unified", "4"}, false},
		{80, []string{"diff", "-s", "4"}, true},
		{20, []string{"diff", "-s", "4"}, true},
	} {
		text, status := shown(t, test.columns, test.args...)
		assert.Zero(t, status)
		assert.Equal(t, test.sides, strings.Contains(text, "│"), "%v in %d",
			test.args, test.columns)
		if test.sides {
			assert.LessOrEqual(t, widest(text), test.columns)
		}
		assert.Contains(t, text, "\x1b[32m+") // an added line is green
	}
}

// It draws again what has changed, marks that, and leaves a terminal as it was.
func TestNsWatch(t *testing.T) {
	steptest.NeedsHost(t)
	self := strconv.Itoa(os.Getpid())
	cmd := exec.Command("sh", "-c", `read line; exec "$0" -u box sh -c 'read line'`,
		steptest.Bin("step3-uts"))
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		stdin.Close()
		_ = cmd.Wait()
	}()
	s := open(t, 80, "ns", "--watch", self, strconv.Itoa(cmd.Process.Pid))
	before := s.Before()
	s.Expect(`time .* A\n`)
	_, err = stdin.Write([]byte("\n"))
	require.NoError(t, err)
	s.Expect(`\x1b\[H\x1b\[2J(?s:.*)step3-uts\*`)
	s.Type(steptest.CtrlC)
	assert.Zero(t, s.Wait())
	text := s.All()
	assert.Equal(t, 2, strings.Count(text, "\x1b[H\x1b[2J"),
		"drawn once for each change: %q", text)
	assert.NotContains(t, text, "\x1b[?") // no mode is set that would have to be reset
	assert.Equal(t, before, s.Settings())
}

// Where there is no terminal, it prints again only what has changed, without escapes,
// and ends when none of the processes is left.
func TestNsWatchPlain(t *testing.T) {
	steptest.NeedsHost(t)
	sleep := exec.Command("cat")
	stdin, err := sleep.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, sleep.Start())
	cmd := exec.Command(steptest.Bin("workshop"), "ns", "--watch",
		strconv.Itoa(sleep.Process.Pid))
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewReader(stdout)
	first, err := out.ReadString('\n')
	require.NoError(t, err)
	waitForLooks(t, cmd.Process.Pid)
	stdin.Close()
	_ = sleep.Wait()
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	text := first + string(rest)
	assert.Error(t, cmd.Wait())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Equal(t, 1, strings.Count(text, "pid  "), text)
	// It may be looked at between its end and the Wait above.
	assert.Regexp(t, fmt.Sprintf("\nworkshop: look at process %d: (no such process|it "+
		"has ended, .*)\n", sleep.Process.Pid), text)
	assert.NotContains(t, text, "\x1b")
}

// waitForLooks waits until a program has read three times since the call, seen by how
// much it has read in all, of files in /proc too (see proc_pid_io(5)).
func waitForLooks(t *testing.T, pid int) {
	t.Helper()
	looks, before := -1, ""
	steptest.WaitFor(t, "three looks", func() bool {
		file, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		require.NoError(t, err)
		if now := linux.Field(file, "rchar:"); now != before {
			looks, before = looks+1, now
		}
		return looks >= 3
	})
}
