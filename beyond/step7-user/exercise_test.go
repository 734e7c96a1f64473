//go:build exercise && linux

package main

import (
	"strings"
	"testing"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

// Exercise 7: -U me maps the user's own ID to the same number.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	me, id := "", "0"
	if linux.InInitialUser() { // elsewhere there may be no second user
		me, id = "setpriv --reuid=1000 --regid=1000 --clear-groups ", "1000"
	}
	for command, want := range map[string]string{
		"-U me id -u": id, "-U me id -g": id, "-U me cat /proc/self/setgroups": "deny",
		"-U root id -u": "0",
	} {
		line := me + "step7-user " + command
		if output := steptest.Try(t, line); strings.TrimSpace(output) != want {
			steptest.Missing(t, "the output "+want, line, output)
		}
	}
}
