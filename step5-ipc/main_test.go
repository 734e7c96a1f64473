//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "step5-ipc") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "step5-ipc") }
