//go:build linux

package steptest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Exercise begins the test of a coding exercise. Such a test has the build tag exercise,
// and runs the step that a learner has changed. Where NeedsHost skips a test, Exercise
// fails it: go test prints "ok" for a skipped test, as for a solved exercise.
func Exercise(t *testing.T) {
	t.Helper()
	if why := os.Getenv(refusedEnv); why != "" {
		t.Fatalf("%s: this user may not create namespaces: %s", cantCheck, why)
	}
	NeedsHost(t)
}

// ExerciseInCgroup is Exercise for a step that makes cgroups.
func ExerciseInCgroup(t *testing.T) {
	t.Helper()
	Exercise(t)
	if _, err := cgroupRoom(t); err != nil {
		t.Fatalf("%s: it %v", cantCheck, err)
	}
}

// internal/exercises.sh looks for this text.
const cantCheck = "can't check the exercise"

// Try runs a line of shell, for at most a minute, and returns its output. A line that
// fails is a mistake in the changed step, and ends the test.
func Try(t *testing.T, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		Missing(t, "an end without an error ("+err.Error()+")", line, string(out))
	}
	return string(out)
}

// Missing ends the test of an exercise. It prints what is still missing, and what a line
// of shell printed instead.
func Missing(t *testing.T, what, line, output string) {
	t.Helper()
	if output == "" {
		output = "(nothing)"
	}
	t.Fatalf("still missing: %s\n$ %s\n%s", what, line, strings.TrimRight(output, "\n"))
}
