//go:build exercise && linux

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

// Exercise 5: with -i yes and -m, the command has its own /dev/shm, as in Docker.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	const onHost = "/dev/shm/on-the-host"
	require.NoError(t, os.WriteFile(onHost, nil, 0o644))
	defer os.Remove(onHost)
	const list = ` sh -c 'ls /dev/shm; >/dev/shm/from-inside'`

	line := "step5-ipc -m -i yes" + list
	output := steptest.Try(t, line)
	err := os.Remove("/dev/shm/from-inside")
	switch {
	case strings.Contains(output, "on-the-host"):
		steptest.Missing(t, "a /dev/shm without the host's files", line, output)
	case err == nil:
		steptest.Missing(t, "a /dev/shm that is not the host's: a file that the command "+
			"made there is on the host", line, output)
	}
	line = "step5-ipc -m -i yes sh -c 'df -m /dev/shm; stat --format %A /dev/shm'"
	output = steptest.Try(t, line)
	if !strings.Contains(output, " 64 ") {
		steptest.Missing(t, "a tmpfs of 64 MiB, as Docker has it (size=64m in tmpfs(5))",
			line, output)
	}
	if !strings.Contains(output, "drwxrwxrwt") {
		steptest.Missing(t, "the mode 1777: all users may create files in /dev/shm",
			line, output)
	}

	for _, options := range []string{"-m -i no", "-m", "-i yes"} {
		line := "step5-ipc " + options + " ls /dev/shm </dev/null"
		output := steptest.Try(t, line)
		if !strings.Contains(output, "on-the-host") {
			steptest.Missing(t, "the host's /dev/shm where -i yes and -m aren't both given",
				line, output)
		}
	}
}
