//go:build linux

package main

import (
	"testing"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "step6-chroot", "binlibdepcp") }

func TestScripts(t *testing.T) { steptest.Scripts(t, "step6-chroot") }
