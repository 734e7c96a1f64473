//go:build linux

package procs

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
)

func TestByStep(t *testing.T) {
	all := All{}
	for _, p := range []linux.Process{
		{PID: 1, Command: "init"},
		{PID: 2, Parent: 1, Command: "step4-net"},
		{PID: 3, Parent: 2, Command: "bash"},
		{PID: 4, Parent: 3, Command: "sleep"},
		{PID: 5, Parent: 1, Command: "bash"},
		{PID: 6, Parent: 5, Command: "mystep4-net"},
		{PID: 7, Parent: 6, Command: "sleep"},
		{PID: 8, Parent: 99, Command: "orphan"},
		{PID: 10, Parent: 11, Command: "ring"},
		{PID: 11, Parent: 10, Command: "ring"},
	} {
		all[p.PID] = p
	}
	for pid := range all {
		assert.Equal(t, pid == 3 || pid == 4, all.ByStep(pid), pid)
	}
	assert.False(t, all.ByStep(12345))
	step, _ := all.Step(4)
	assert.Equal(t, 2, step.PID)
}

func TestRead(t *testing.T) {
	all, self, err := Read()
	require.NoError(t, err)
	assert.Equal(t, os.Getpid(), self)
	assert.Equal(t, os.Getppid(), all[self].Parent)
	assert.Equal(t, "procs.test", all[self].Command)
}
