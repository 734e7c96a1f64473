//go:build exercise && linux

package main

import (
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 4: -n brings lo up.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	const show = "ip link show lo"
	host := steptest.Try(t, show) // the tests' host has a lo that is down

	line := "step4-net -n " + show
	output := steptest.Try(t, line)
	if !strings.Contains(output, "<LOOPBACK,UP,") {
		steptest.Missing(t, "the word UP in the brackets: lo is still down", line, output)
	}

	// Without -n, lo is the host's.
	line = "step4-net -pm " + show
	if output := steptest.Try(t, line); output != host {
		steptest.Missing(t, "the condition that -n is given: without it, the step has "+
			"brought up the host's lo", line, output)
	}
}
