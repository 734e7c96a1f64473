//go:build exercise && linux

package main

import (
	"strings"
	"testing"

	"nsteps/internal/steptest"
)

// Exercise 11: the step adds the default route inside.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	const show = "ip -4 route show default"
	host := steptest.Try(t, show)
	for line, want := range map[string]string{
		"step11-veth -ne 10.9.8.0/30 " + show:  "default via 10.9.8.1 dev eth0",
		"step11-veth -ne 10.9.7.64/29 " + show: "default via 10.9.7.65 dev eth0",
		"step11-veth -n " + show:               "", // there is no cable
	} {
		output := steptest.Try(t, line)
		if strings.TrimSpace(output) != want {
			steptest.Missing(t, "the output "+want, line, output)
		}
	}
	if now := steptest.Try(t, show); now != host {
		steptest.Missing(t, "the host's own routes: the step has changed them", show, now)
	}
}
