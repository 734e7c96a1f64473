//go:build exercise && linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

// Exercise 10: /changes shows the upper layer, and can't be written to.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	image := t.TempDir()
	out, err := exec.Command("binlibdepcp", "-q", "sh", "ls", "rm", "stat",
		image).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(image+"/old", nil, 0o644))

	line := "step10-overlay -pmor " + image + " sh -c '>/new; ls /changes || true'"
	output := steptest.Try(t, line+" 2>&1")
	if !strings.Contains(output, "\nnew\n") && !strings.HasPrefix(output, "new\n") {
		steptest.Missing(t, "the new file in /changes", line, output)
	}
	line = "step10-overlay -pmor " + image +
		" sh -c 'rm /old; stat -c \"%F %t,%T\" /changes/old'"
	if output = steptest.Try(t, line); output != "character special file 0,0\n" {
		steptest.Missing(t, "the whiteout of a deleted file", line, output)
	}
	line = "step10-overlay -pmor " + image + " sh -c '>/changes/mine'"
	output = steptest.Try(t, line+" 2>&1 || true")
	if !strings.Contains(output, "Read-only file system") {
		steptest.Missing(t, "a mount that can only be read: the overlay's layers may not "+
			"change behind its back", line, output)
	}
	line = "step10-overlay -pmr " + image + " ls /"
	if output = steptest.Try(t, line); strings.Contains(output, "changes") {
		steptest.Missing(t, "an image without a directory /changes of its own", line, output)
	}
}
