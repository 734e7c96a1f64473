//go:build exercise && linux

package main

import (
	"strconv"
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 15: -u says what the uptime is, not by how much it differs.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	for options, want := range map[string]int{
		"-u 100h": 360000, "-pu 1m": 60, "-u 0s": 0, "--uptime 24h": 86400,
	} {
		line := "step15-time " + options + " cut -d . -f 1 /proc/uptime"
		output := steptest.Try(t, line)
		got, err := strconv.Atoi(strings.TrimSpace(output))
		if err != nil || got < want || got > want+30 { // a busy machine is slow
			steptest.Missing(t, "an uptime of "+strconv.Itoa(want)+" seconds", line, output)
		}
	}
	line := "step15-time -t 1h sed -n 's/boottime *//p' /proc/self/timens_offsets"
	if output := steptest.Try(t, line); strings.Fields(output)[0] != "3600" {
		steptest.Missing(t, "-t as it was", line, output)
	}
}
