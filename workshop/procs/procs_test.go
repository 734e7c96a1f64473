//go:build linux

package procs

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	const rest = " -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 12345 99"
	for _, test := range []struct {
		stat string
		want Process
		ok   bool
	}{
		{"42 (sh) S 7 42 7 34816" + rest, Process{PID: 42, Parent: 7, Command: "sh", Terminal: true, Start: 12345}, true},
		{"42 (sh) S 7 42 7 0" + rest, Process{PID: 42, Parent: 7, Command: "sh", Start: 12345}, true},
		{"42 (a) R 1 (b) S 7 42 7 0" + rest, Process{PID: 42, Parent: 7, Command: "a) R 1 (b", Start: 12345}, true},
		{"42 (a\nb) S 7 42 7 0" + rest, Process{PID: 42, Parent: 7, Command: "a\nb", Start: 12345}, true},
		{"42 () S 7 42 7 0" + rest, Process{PID: 42, Parent: 7, Start: 12345}, true},
		{"42 (sh) Z 7 42 7 0" + rest, Process{PID: 42, Parent: 7, Command: "sh", Start: 12345, Zombie: true, Ending: true}, true},
		{"42 (sh) S 7 42 7 0 -1 4194564 1 0 0 0 1 2 3 4 20 0 1 0 12345 99",
			Process{PID: 42, Parent: 7, Command: "sh", Start: 12345, Ending: true}, true},
		{"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5", Process{PID: 2, Command: "kthreadd",
			Start: 5, Kernel: true}, true},
		{"", Process{}, false},
		{"42 (sh", Process{}, false},
		{"42 (sh) S 7 42 7", Process{}, false},
		{"42 (sh) S 7 42 7 0 -1 4194560", Process{}, false},
		{"x (sh) S 7 42 7 0" + rest, Process{}, false},
	} {
		got, ok := parse(test.stat)
		assert.Equal(t, test.ok, ok, test.stat)
		if ok {
			assert.Equal(t, test.want, got)
		}
	}
}

func TestParseLink(t *testing.T) {
	inode, err := parseLink("pid:[4026531836]")
	require.NoError(t, err)
	assert.Equal(t, uint64(4026531836), inode)
	for _, link := range []string{"", "pid:[]", "pid:[1", "1", "pid:[x]"} {
		_, err := parseLink(link)
		assert.Error(t, err, link)
	}
}

func TestByStep(t *testing.T) {
	all := All{}
	for _, p := range []Process{{PID: 1, Command: "init"}, {PID: 2, Parent: 1, Command: "step4-net"},
		{PID: 3, Parent: 2, Command: "bash"}, {PID: 4, Parent: 3, Command: "sleep"}, {PID: 5, Parent: 1, Command: "bash"},
		{PID: 6, Parent: 5, Command: "mystep4-net"}, {PID: 7, Parent: 6, Command: "sleep"},
		{PID: 8, Parent: 99, Command: "orphan"}, {PID: 10, Parent: 11, Command: "ring"},
		{PID: 11, Parent: 10, Command: "ring"}} {
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
