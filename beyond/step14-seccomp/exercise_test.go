//go:build exercise && linux

package main

import (
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 14: no socket of the family AF_VSOCK, whose number is 40.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	for command, want := range map[string]string{
		`perl -e 'socket(S, 40, 1, 0) or print $!'`:                         "Operation not permitted",
		`perl -e 'socket(S, 1, 1, 0) and print "a Unix socket"'`:            "a Unix socket",
		`perl -e 'socket(S, 2, 2, 0) and print "a UDP socket"'`:             "a UDP socket",
		`unshare --user true 2>&1 | grep -o 'Operation.*'`:                  "Operation not permitted",
		`perl -e 'syscall(435, 0, 0) and print $!'`:                         "Function not implemented",
		`perl -e 'unless (fork) { print "child" } else { wait }'`:           "child",
		`$(command -v step14-seccomp) -p true 2>&1 | grep -o 'operation.*'`: "operation not permitted",
	} {
		line := "step14-seccomp -s sh -c \"" +
			strings.NewReplacer(`"`, `\"`, `$!`, `\$!`).Replace(command) + `"`
		output := steptest.Try(t, line)
		if strings.TrimSpace(output) != want {
			steptest.Missing(t, "the output "+want, line, output)
		}
	}
}
