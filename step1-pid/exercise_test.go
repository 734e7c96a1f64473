//go:build exercise && linux

package main

import (
	"regexp"
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 1: print the child's PID inside and on the host, without -v.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	// The command prints its PID as /proc has it, and that is the host's /proc.
	const command = ` sh -c 'read pid rest </proc/self/stat; echo command: $pid'`

	line := "step1-pid -p" + command
	output, pid := split(t, line)
	if !contains(output, pid, 1) {
		steptest.Missing(t, "the child's PID on the host, "+pid, line, output)
	}
	if !contains(output, "1", 1) {
		steptest.Missing(t, "the child's PID inside, 1", line, output)
	}

	// Without -p both numbers are the same.
	line = "step1-pid" + command
	output, pid = split(t, line)
	if !contains(output, pid, 2) {
		steptest.Missing(t, "the same PID twice without -p, "+pid+
			": there the child has one PID", line, output)
	}
}

// split returns what the step itself prints, and the PID that the command prints.
func split(t *testing.T, line string) (output, pid string) {
	for text := range strings.Lines(steptest.Try(t, line)) {
		if number, ok := strings.CutPrefix(text, "command: "); ok {
			pid = strings.TrimSpace(number)
		} else {
			output += text
		}
	}
	if pid == "" {
		steptest.Missing(t, "the command's output", line, output)
	}
	return output, pid
}

// contains reports whether a number stands in a text, at least so many times.
func contains(text, number string, times int) bool {
	return len(regexp.MustCompile(`\b`+number+`\b`).FindAllString(text, -1)) >= times
}
