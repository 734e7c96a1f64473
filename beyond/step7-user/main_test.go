//go:build linux

package main

import (
	"slices"
	"testing"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step7-user", "internal/steptest/filter")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step7-user") }

// users are those to test as: the words before a command that make one of them.
func users() map[string][]string {
	if !linux.InInitialUser() {
		return map[string][]string{"root of a user namespace": nil}
	}
	return map[string][]string{"root": nil, "ordinary user": steptest.Plain}
}

func TestEverySubset(t *testing.T) {
	for name, as := range users() {
		t.Run(name, func(t *testing.T) {
			options := []string{"-p", "-m", "-u box", "-n", "-U root|nobody"}
			steptest.EverySubset(t, as, "step7-user", options, func(subset []string) string {
				if as == nil || subset == nil || slices.Contains(subset, "-U") {
					return ""
				}
				return "be root in a USER namespace"
			})
		})
	}
}

func TestKilled(t *testing.T) {
	for name, as := range users() {
		for _, who := range []string{"root", "nobody"} {
			t.Run(name+" "+who, func(t *testing.T) {
				command := []string{
					steptest.Bin("step7-user"), "-pmnu", "box", "-U", who, "sleep", "1000",
				}
				steptest.KillAtAnyTime(t, "", slices.Concat(as, command)...)
			})
		}
	}
}
