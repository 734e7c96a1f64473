//go:build linux

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/container", "beyond/step7-user", "beyond/join", "binlibdepcp",
		"step6-chroot", "workshop", "docs/solution/mycontainer")
}

// The scripts that hold for all steps don't give --root.
func TestScripts(t *testing.T) {
	t.Run("own", func(t *testing.T) { steptest.ScriptsIn(t, "testdata") })
}

// The container's functions are those of the steps, word for word. A step has the body of
// a function of inside.go in its own function child.
func TestSameAsSteps(t *testing.T) {
	files, err := filepath.Glob("../step*/main.go")
	require.NoError(t, err)
	var steps strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		steps.Write(text)
	}
	for _, name := range []string{"inside.go", "outside.go", "privileges.go", "root.go"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		require.NoError(t, err)
		part := func(from, to token.Pos) string {
			return string(text[fset.Position(from).Offset:fset.Position(to).Offset])
		}
		compared := 0
		for _, declaration := range file.Decls {
			all := part(declaration.Pos(), declaration.End())
			if strings.HasPrefix(all, "import ") {
				continue
			}
			compared++
			if function, ok := declaration.(*ast.FuncDecl); ok && name == "inside.go" {
				all = part(function.Body.Lbrace+1, function.Body.Rbrace)
				all = strings.TrimSuffix(strings.TrimSpace(all), "return nil")
			}
			assert.True(t, strings.Contains(plain(steps.String()), plain(all)),
				"%s isn't in a step: %s", name, all)
		}
		assert.Positive(t, compared)
	}
}

// plain returns a text without indentation.
func plain(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// image makes an image directory with programs.
func image(t *testing.T, programs ...string) (dir string) {
	t.Helper()
	if !linux.InInitialUser() && !steptest.Kernel(5, 11) {
		t.Skip("SKIPPED: before Linux 5.11, only root of the machine may mount an overlay")
	}
	steptest.NeedsHost(t)
	dir = t.TempDir() + "/img"
	args := append(append([]string{"-q"}, programs...), dir)
	out, err := exec.Command(steptest.Bin("binlibdepcp"), args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// The container runs with every subset of its options, and leaves nothing.
func TestEverySubset(t *testing.T) {
	options, cgroups := []string{"-u box"}, func() []string { return nil }
	if steptest.Kernel(5, 11) {
		options = append(options, "-U root") // who may mount an overlay
	}
	if linux.InInitialUser() {
		options = append(options, "-e 10.9.8.0/30")
		if _, err := linux.CgroupOf("self", "pids"); err == nil {
			options, cgroups = append(options, "-g pids.max=50"), steptest.CgroupRoom(t)
		}
	}
	img := image(t, "true")
	for _, subset := range steptest.Subsets(options) {
		before := steptest.Snapshot()
		args := append(subset, "-r", img, "true")
		out, err := exec.Command("container", args...).CombinedOutput()
		assert.NoError(t, err, "%q: %s", args, out)
		assert.Empty(t, string(out), "%q", args)
		assert.Empty(t, cgroups(), "%q", args)
		steptest.Compare(t, before)
	}
}

// The keys of a terminal work.
func TestTerminal(t *testing.T) {
	tt := steptest.OpenShell(t)
	img := image(t, "cat", "sleep", "sh")
	tt.Type("container -r " + img + " cat -u\n")
	steptest.WaitForProcess(t, "cat -u", "S")
	tt.Type(steptest.CtrlZ)
	tt.Expect(`Stopped.*\n(.*\n)*host> $`)
	steptest.WaitForProcess(t, "cat -u", "T")
	tt.Type("fg\n")
	tt.Expect("cat -u\n")
	tt.Type("one\n")
	tt.Expect("(one\n.*){2}")
	tt.Type(steptest.CtrlD)
	tt.Expect("host> $")
	tt.AssertStatus("0")
	tt.Type("container -r " + img + " sh -c 'trap \"exit 7\" INT; echo ready; read line'\n")
	tt.Expect("\nready\n")
	tt.Type(steptest.CtrlC)
	tt.Expect("host> $")
	tt.AssertStatus("7")
	tt.Type("container -r " + img + " sleep 86308\n")
	steptest.WaitForProcess(t, "sleep 86308", "S")
	tt.Type(steptest.CtrlC)
	tt.Expect("a second one kills PID 1\n")
	tt.Type(steptest.CtrlC)
	tt.Expect("host> $")
	tt.AssertStatus("137")
}

// SIGTERM reaches a command that has a handler. PID 1 without a handler is killed.
func TestSignals(t *testing.T) {
	img := image(t, "sh", "sleep")
	for script, status := range map[string]int{
		"trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done": 7,
		"echo ready; exec sleep 86409":                                 128 + 9,
	} {
		cmd := exec.Command("container", "-r", img, "sh", "-c", script)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		line := make([]byte, len("ready\n"))
		_, err = out.Read(line)
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
		_ = cmd.Wait()
		got := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if got.Signaled() {
			assert.Equal(t, status, 128+int(got.Signal()), script)
		} else {
			assert.Equal(t, status, got.ExitStatus(), script)
		}
	}
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	dir := filepath.Dir(image(t, "sleep"))
	steptest.KillAtAnyTime(t, dir, "container", "-r", "img", "sleep", "86408")
	steptest.KillAtAnyTime(t, dir, "container", "-U", "root", "-r", "img", "sleep", "86408")
}

// With a cable, the link is gone too, and with a limit the cgroup. SIGKILL leaves a
// cgroup until the next run.
func TestKilledOnHost(t *testing.T) {
	list := steptest.CgroupRoom(t)
	if _, err := linux.CgroupOf("self", "pids"); err != nil || !linux.InInitialUser() {
		t.Skip("SKIPPED: needs root, and the controller pids")
	}
	dir := filepath.Dir(image(t, "sleep", "true"))
	command := []string{"container", "-e", "10.9.8.0/30", "-g", "pids.max=50", "-r", "img"}
	steptest.KillAtAnyTime(t, dir, append(command, "sleep", "86408")...)
	links := func() []string {
		names, err := filepath.Glob("/sys/class/net/veth*")
		require.NoError(t, err)
		return names
	}
	// The kernel removes the cable of a killed run some time after its end.
	require.Eventually(t, func() bool { return len(links()) == 0 }, time.Minute,
		10*time.Millisecond)
	last := exec.Command(command[0], append(command[1:], "true")...)
	last.Dir = dir
	out, err := last.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Empty(t, list())
	assert.Empty(t, links())
}

// The solution of the last exercise has about 100 lines below the imports, and verify is
// content with it.
func TestMyContainer(t *testing.T) {
	if !steptest.Kernel(6, 6) {
		t.Skip("SKIPPED: its overlay keeps its notes in attributes of users: Linux 6.6")
	}
	text, err := os.ReadFile("../../docs/solution/mycontainer/main.go")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(text), "\n)\n")
	require.True(t, found)
	assert.LessOrEqual(t, strings.Count(code, "\n"), 117)

	img := image(t, "sh", "cat", "chmod", "rm", "sleep")
	const script = `(chmod 666 /dev/null || : >>/proc/sys/kernel/core_pattern) 2>/dev/null && exit 4
		rm -r /etc; echo ready; cat; exit 3`
	for _, program := range [][]string{{"mycontainer"}, {"container", "-r"}} {
		args := append(program[1:], img, "sh", "-c", script)
		cmd := exec.Command(program[0], args...)
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		line := make([]byte, len("ready\n"))
		_, err = stdout.Read(line)
		require.NoError(t, err)
		child, err := exec.Command("pgrep", "-P", strconv.Itoa(cmd.Process.Pid)).Output()
		require.NoError(t, err)
		out, err := exec.Command("workshop", "verify", "container",
			strings.TrimSpace(string(child))).CombinedOutput()
		assert.NoError(t, err, "%s: %s", program[0], out)
		assert.NotContains(t, string(out), "✗")
		assert.Equal(t, 12, strings.Count(string(out), "✓"))
		require.NoError(t, stdin.Close())
		_ = cmd.Wait()
		assert.Equal(t, 3, cmd.ProcessState.ExitCode())
		assert.DirExists(t, img+"/etc")
	}
}
