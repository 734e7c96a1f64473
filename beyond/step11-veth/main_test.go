//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step11-veth", "beyond/step7-user", "step4-net")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step11-veth") }

const cable = "10.9.8.0/30"

// Each subset of the options works, with -v too.
func TestOptions(t *testing.T) {
	steptest.NeedsHost(t)
	options := [][]string{{"-v"}, {"-p"}, {"-m"}, {"-u", "box"}, {"-n"}, {"-n", "-e", cable}}
	for set := range 1 << len(options) {
		var args []string
		for i, option := range options {
			if set&(1<<i) != 0 {
				args = append(args, option...)
			}
		}
		out, err := exec.Command("step11-veth", append(args, "echo", "done")...).Output()
		assert.NoError(t, err, "%q", args)
		assert.Equal(t, "done\n", string(out), "%q", args)
		assert.Empty(t, cables(t), "%q", args)
	}
}

// cables returns the names of the host's veth links.
func cables(t *testing.T) (names []string) {
	t.Helper()
	links, err := net.Interfaces()
	require.NoError(t, err)
	for _, link := range links {
		if strings.HasPrefix(link.Name, "veth") {
			names = append(names, link.Name)
		}
	}
	return names
}

// A run is a step whose command is a shell that has said that it is there.
type run struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output *bufio.Reader
}

// begin starts the step, whose shell runs a command and then waits for its input to end.
func begin(t *testing.T, command string) *run {
	t.Helper()
	r := &run{cmd: exec.Command("step11-veth", "-ne", cable, "sh", "-c",
		command+"; cat >/dev/null")}
	var err error
	r.stdin, err = r.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	r.output = bufio.NewReader(stdout)
	require.NoError(t, r.cmd.Start())
	return r
}

// line returns the first line of output, "" if there is none.
func (r *run) line() string {
	line, _ := r.output.ReadString('\n')
	return strings.TrimSpace(line)
}

func (r *run) end() error {
	r.stdin.Close()
	return r.cmd.Wait()
}

// The first packet passes, in both directions: the step has waited for the link.
func TestPing(t *testing.T) {
	steptest.NeedsHost(t)
	const ping = "ping -q -c 1 -W 1 "
	for range steptest.Soak(10) {
		r := begin(t, "echo ready; "+ping+"10.9.8.1 >/dev/null && echo answer")
		assert.Equal(t, "ready", r.line())
		out, err := exec.Command("sh", "-c", ping+"10.9.8.2").CombinedOutput()
		assert.NoError(t, err, "from the host: %s", out)
		assert.Equal(t, "answer", r.line(), "from inside")
		assert.NoError(t, r.end())
		assert.Empty(t, cables(t))
	}
}

// Of two runs that start at the same moment with the same network, at least one is
// refused. The kernel would give it to both.
func TestSameNetwork(t *testing.T) {
	steptest.NeedsHost(t)
	for range steptest.Soak(10) {
		var runs [2]*run
		var lines [2]string
		var wait sync.WaitGroup
		for i := range runs {
			runs[i] = begin(t, "echo connected")
			wait.Go(func() { lines[i] = runs[i].line() })
		}
		wait.Wait()
		assert.NotEqual(t, [2]string{"connected", "connected"}, lines)
		for i, r := range runs {
			if err := r.end(); lines[i] == "" {
				assert.ErrorContains(t, err, "exit status 125")
			}
		}
		assert.Empty(t, cables(t))
	}
}

func TestKill(t *testing.T) {
	steptest.KillAtAnyTime(t, ".", "step11-veth", "-pmnu", "box", "-e", cable, "sleep",
		"1000")
}

// A signal that the step can catch leaves no cable, whenever it comes. Ctrl-C goes to a
// whole process group.
func TestSignals(t *testing.T) {
	steptest.NeedsHost(t)
	seed := rand.New(rand.NewSource(2))
	for n := range steptest.Soak(20) {
		signal := []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT}[n%3]
		cmd := exec.Command("step11-veth", "-ne", cable, "sleep", "1000")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(seed.Intn(30000)) * time.Microsecond)
		require.NoError(t, unix.Kill(-cmd.Process.Pid, signal))
		_ = cmd.Wait()
		caught := cmd.ProcessState.Exited() // not so before main has begun
		assert.Contains(t, []int{-1, 128 + int(signal)}, cmd.ProcessState.ExitCode(),
			"%v: %s", signal, stderr.String())
		if caught {
			assert.Empty(t, cables(t), fmt.Sprint(signal))
		}
	}
}
