//go:build linux

package steptest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// Where /tmp is mounted with options that forbid set-user-ID programs, devices or any
// program, temporary files are in /var/tmp.
func TestTempDir(t *testing.T) {
	NeedsHost(t)
	t.Setenv("TMPDIR", "")
	mount := func(dir string, flags uintptr) {
		require.NoError(t, unix.Mount("none", dir, "tmpfs", flags, ""))
	}
	mount("/var/tmp", 0)
	defer unix.Unmount("/var/tmp", 0)
	for flags, want := range map[uintptr]string{
		0: "/tmp", unix.MS_NOSUID | unix.MS_NODEV: "/var/tmp", unix.MS_NOEXEC: "/var/tmp",
	} {
		mount("/tmp", flags)
		assert.Equal(t, want, linux.TempDir())
		require.NoError(t, unix.Unmount("/tmp", 0))
	}
	t.Setenv("TMPDIR", "/nonesuch")
	assert.Equal(t, "/nonesuch", linux.TempDir(), "a person's choice stays")
}
