//go:build exercise && linux

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

// Exercise 3: -u sets the NIS domain name too.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	const file = "/proc/sys/kernel/domainname"
	host, err := os.ReadFile(file)
	require.NoError(t, err)

	line := "step3-uts -u box cat /proc/sys/kernel/hostname " + file
	switch output := steptest.Try(t, line); output {
	case "box\nbox\n":
	case "box\n" + string(host):
		steptest.Missing(t, "the NIS domain name box; the command has the host's", line, output)
	default:
		steptest.Missing(t, "the name box, twice", line, output)
	}

	line = "step3-uts -pm cat " + file
	if output := steptest.Try(t, line); output != string(host) {
		steptest.Missing(t, "the host's NIS domain name where -u isn't given", line, output)
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	if string(after) != string(host) {
		steptest.Missing(t, "the host's own NIS domain name: it has changed", "cat "+file,
			string(after))
	}
}
