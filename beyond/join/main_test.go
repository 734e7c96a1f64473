//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "beyond/join", "beyond/step7-user") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "join") }
