//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

// SIGQUIT ends each command as SIGINT does, without the trace of the Go runtime. Each
// command waits for the reader of its output.
func TestQuit(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, args := range [][]string{
		{"--help"},
		{"doctor"},
		{"verify", "1", self},
		{"ns", self},
		{"ns", "--watch", self},
		{"diff", "4"},
		{"play", "--list"},
		{"cleanup"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			steptest.NeedsHost(t)
			r, w := fullPipe(t)
			defer r.Close()
			defer w.Close()
			var stderr bytes.Buffer
			cmd := exec.Command(steptest.Bin("workshop"), args...)
			cmd.Stdout, cmd.Stderr = w, &stderr
			require.NoError(t, cmd.Start())
			steptest.WaitFor(t, "it writes", func() bool {
				return writes(t, cmd.Process.Pid)
			})
			require.NoError(t, cmd.Process.Signal(unix.SIGQUIT))
			assert.Error(t, cmd.Wait())
			ended := cmd.ProcessState.Sys().(syscall.WaitStatus)
			assert.Equal(t, unix.SIGQUIT, ended.Signal())
			assert.Empty(t, stderr.String())
		})
	}
}

// fullPipe returns a pipe that takes no more.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	require.NoError(t, unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	for {
		if _, err := unix.Write(fds[1], make([]byte, 4096)); err != nil {
			require.ErrorIs(t, err, unix.EAGAIN)
			break
		}
	}
	for _, fd := range fds {
		require.NoError(t, unix.SetNonblock(fd, false))
	}
	return os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
}

// writes reports whether a thread of a process is in a write(2) to standard output.
func writes(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	require.NoError(t, err)
	for _, thread := range threads {
		call, _ := os.ReadFile(thread) // the thread may have ended
		if strings.HasPrefix(string(call), fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)) {
			return true
		}
	}
	return false
}

// A person types Ctrl-\ in a terminal.
func TestQuitByKey(t *testing.T) {
	s := steptest.OpenShell(t)
	s.Type(steptest.Bin("workshop") + " ns --watch $$\n")
	s.Expect("PID")
	s.Type(steptest.CtrlBackslash)
	s.Expect(`host> $`)
	s.AssertStatus("131")
	assert.NotContains(t, s.All(), "goroutine")
}
