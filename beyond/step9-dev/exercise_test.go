//go:build exercise && linux

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

// Exercise 9: /dev/mqueue shows the message queues of the IPC namespace.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	image := t.TempDir()
	out, err := exec.Command("binlibdepcp", "-q", "sh", "cat", "ls", image).CombinedOutput()
	require.NoError(t, err, "%s", out)

	line := "unshare --ipc step9-dev -pmdr " + image + " cat /proc/self/mounts"
	output := steptest.Try(t, line)
	if !strings.Contains(output, " /dev/mqueue mqueue ") {
		steptest.Missing(t, "a line with /dev/mqueue mqueue: the mount", line, output)
	}
	const queue = " sh -c ': >/dev/mqueue/jobs; ls /dev/mqueue'"
	line = "unshare --ipc step9-dev -pmdr " + image + queue
	if output = steptest.Try(t, line); output != "jobs\n" {
		steptest.Missing(t, "a queue that was made as a file", line, output)
	}
	line = "step7-user -U root " + steptest.Bin("step9-dev") + " -pmdr " + image +
		" sh -c 'echo it goes on'"
	output = steptest.Try(t, line+" 2>&1 || true")
	if output != "it goes on\n" {
		steptest.Missing(t, "the end of a refusal: a USER namespace doesn't own the host's "+
			"IPC namespace, and the step goes on without the mount", line, output)
	}
	line = "step7-user -U root unshare --ipc " + steptest.Bin("step9-dev") + " -pmdr " +
		image + queue
	if output = steptest.Try(t, line); output != "jobs\n" {
		steptest.Missing(t, "queues in a USER namespace with an IPC namespace of its own",
			line, output)
	}
}
