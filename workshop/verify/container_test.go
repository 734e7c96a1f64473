//go:build linux

package verify

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each row of the last chapter's goal fails alone, and its hint is the first.
func TestContainer(t *testing.T) {
	g, err := find("container")
	require.NoError(t, err)
	whole := func(f *facts) {
		f.Namespaces["cgroup"] = namespace{f.Namespaces["cgroup"].Inode, true}
		f.Root, f.Null = "/", true
		f.Mounts.Own = []mount{{"/", "overlay"}, {"/proc", "proc"}, {"/dev", "tmpfs"}}
	}
	for _, test := range []struct {
		change func(*facts)
		row    int // that isn't met, -1 if all are
	}{
		{func(*facts) {}, -1},
		{shares("uts"), 0},
		{shares("cgroup"), 1},
		{func(f *facts) { f.Above = "/tmp" }, 3},
		{mounted(mount{"/dev", "tmpfs"}), 4},
		{func(f *facts) { f.Proc = procHost }, 5},
		{mounted(mount{"/", "overlay"}), 6},
		{func(f *facts) { f.Null = false }, 7},
		{func(f *facts) { f.Privileges.Bounding |= 1 << 21 }, 8},
		{func(f *facts) { f.Privileges.NoNew = false }, 9},
		{func(f *facts) { f.Privileges.Filters = 0 }, 10},
		{func(f *facts) { f.Privileges.Settings = true }, 11},
	} {
		v := g.judge(container(func(f *facts) { whole(f); test.change(f) }))
		for i, check := range v.Checks {
			assert.Equal(t, i != test.row, check.Result == met, "%d: %s", test.row, check.Text)
		}
		if test.row >= 0 {
			assert.Equal(t, g.checks[test.row].hint, v.hint)
		}
	}
	v := g.judge(container(func(f *facts) { whole(f); f.HostRoot = true }))
	assert.Equal(t, []string{unmet, unmet},
		[]string{v.Checks[2].Result, v.Checks[3].Result})
}
