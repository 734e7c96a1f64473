//go:build exercise && linux

package main

import (
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 8: with --read-only nothing changes the image, and everything else works.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	image := t.TempDir() + "/img"
	steptest.Try(t, "binlibdepcp -q sh cat grep touch "+image)
	const try = " sh -c 'touch /file 2>&1 | grep -o Read-only; cat /proc/1/comm'"
	for _, as := range []string{"", "step7-user -U root "} { // without root too
		for options, want := range map[string]string{
			" -pm --read-only -r ": "Read-only\nsh", " -pmr ": "sh",
		} {
			line := as + steptest.Bin("step8-pivot") + options + image + try
			if output := steptest.Try(t, line); strings.TrimSpace(output) != want {
				steptest.Missing(t, "the output "+want, line, output)
			}
		}
	}
}
