//go:build exercise && linux

package main

import (
	"regexp"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 12: at the end, the step prints how often pids.max was reached.
func TestExercise(t *testing.T) {
	steptest.ExerciseInCgroup(t)
	const many = `seq 20 | xargs -P 20 -I{} sleep 1`
	reached := regexp.MustCompile(`(?m)^step12-cgroup: pids\.max was reached: [1-9][0-9]*$`)
	line := "step12-cgroup -g pids.max=10 sh -c '" + many + "'"
	if output := steptest.Try(t, line); !reached.MatchString(output) {
		steptest.Missing(t, "a line like step12-cgroup: pids.max was reached: 3", line, output)
	}
	line = "step12-cgroup -g pids.max=100 sh -c '" + many + "'"
	if output := steptest.Try(t, line); output != "" {
		steptest.Missing(t, "no line where the limit isn't reached", line, output)
	}
}
