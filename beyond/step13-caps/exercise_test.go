//go:build exercise && linux

package main

import (
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 13: -a leaves root one more capability.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	for options, want := range map[string]string{
		"-a 21 -l": "00000000a82425fb", "-l -a 21": "00000000a82425fb",
		"-pml -a 5": "00000000a80425fb", "-l -a 12": "00000000a80435fb",
		"-l": "00000000a80425fb",
	} {
		line := "step13-caps " + options + " grep CapEff /proc/self/status"
		output := steptest.Try(t, line)
		if strings.TrimSpace(output) != "CapEff:\t"+want {
			steptest.Missing(t, "the output CapEff: "+want, line, output)
		}
	}
}
