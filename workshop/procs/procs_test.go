//go:build linux

package procs

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		stat string
		want Process
		ok   bool
	}{
		{"42 (sh) S 7 42 7 34816 42 4194304 1", Process{42, 7, "sh", true}, true},
		{"42 (sh) S 7 42 7 0 -1 4194304 1", Process{42, 7, "sh", false}, true},
		{"42 (a) R 1 (b) S 7 42 7 0 -1", Process{42, 7, "a) R 1 (b", false}, true},
		{"42 (a\nb) S 7 42 7 0 -1", Process{42, 7, "a\nb", false}, true},
		{"42 () S 7 42 7 0 -1", Process{42, 7, "", false}, true},
		{"", Process{}, false},
		{"42 (sh", Process{}, false},
		{"42 (sh) S 7 42 7", Process{}, false},
		{"x (sh) S 7 42 7 0", Process{}, false},
	} {
		got, ok := parse(test.stat)
		assert.Equal(t, test.ok, ok, test.stat)
		if ok {
			assert.Equal(t, test.want, got)
		}
	}
}

func TestByStep(t *testing.T) {
	all := All{}
	for _, p := range []Process{{1, 0, "init", false}, {2, 1, "step4-net", false}, {3, 2, "bash", false},
		{4, 3, "sleep", false}, {5, 1, "bash", false}, {6, 5, "mystep4-net", false}, {7, 6, "sleep", false},
		{8, 99, "orphan", false}, {10, 11, "ring", false}, {11, 10, "ring", false}} {
		all[p.PID] = p
	}
	for pid := range all {
		assert.Equal(t, pid == 3 || pid == 4, all.ByStep(pid), pid)
	}
	assert.False(t, all.ByStep(12345))
}

func TestRead(t *testing.T) {
	all, self, err := Read()
	require.NoError(t, err)
	assert.Equal(t, os.Getpid(), self)
	assert.Equal(t, os.Getppid(), all[self].Parent)
	assert.Equal(t, "procs.test", all[self].Command)
}
