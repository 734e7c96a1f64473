//go:build exercise && linux

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

// Exercise 2: the host's later mounts come in, and no mount goes out.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	// Both mounts go below a mount that is not /, so MS_REC counts too.
	dir := t.TempDir()
	mount(t, "base", dir)
	for _, name := range []string{"/inside", "/host"} {
		require.NoError(t, os.Mkdir(dir+name, 0o755))
	}

	// The command mounts, then the host mounts, then the command looks.
	line := "step2-mnt -m sh -c 'mount -t tmpfs from-inside " + dir + "/inside && " +
		"echo mounted && read line && grep ^from- /proc/self/mounts'"
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	output := bufio.NewReader(stdout)
	first, _ := output.ReadString('\n')
	mount(t, "from-host", dir+"/host")
	host, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	io.WriteString(stdin, "\n")
	rest, err := io.ReadAll(output)
	require.NoError(t, err)
	err = cmd.Wait()

	switch output := first + string(rest); {
	case strings.Contains(string(host), "from-inside "):
		unix.Unmount(dir+"/inside", unix.MNT_DETACH)
		steptest.Missing(t, "the wall around the command: the mount from-inside, which "+
			"the command made, is on the host too", line, output)
	case err != nil:
		steptest.Missing(t, "an end without an error", line, output)
	case !strings.Contains(output, "from-host "):
		steptest.Missing(t, "the mount from-host, which the host made while the command "+
			"was running; the command's list doesn't have it", line, output)
	}
}

// mount mounts a tmpfs on the host, until the end of the test.
func mount(t *testing.T, name, dir string) {
	t.Helper()
	require.NoError(t, unix.Mount(name, dir, "tmpfs", 0, ""))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}
