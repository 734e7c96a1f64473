//go:build linux

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, steptest.Steps("binlibdepcp", "workshop")...)
}

// The scripts are what the guests run besides the tests of the programs.
func TestChecks(t *testing.T) {
	steptest.NeedsHost(t)
	params := steptest.Params("testdata")
	others := params.Condition
	params.Condition = func(cond string) (bool, error) {
		if cond == "guest" {
			return os.Getenv("NSTEPS_GUEST") != "", nil
		}
		return others(cond)
	}
	testscript.Run(t, params)
}
