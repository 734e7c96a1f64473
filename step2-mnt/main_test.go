//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "step2-mnt") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "step2-mnt") }
