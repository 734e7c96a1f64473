//go:build linux

package bpf

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
)

// What the tests of the step can't provoke on every machine.
func TestHints(t *testing.T) {
	facts := &cause.Facts{Args: []string{"step14-seccomp", "-s", "sh"}}
	for errno, id := range map[unix.Errno]string{
		unix.EINVAL: "kernel-seccomp", unix.ENOSYS: "kernel-seccomp", unix.ENOMEM: "",
	} {
		got := facts.Explain("seccomp", "SECCOMP_SET_MODE_FILTER", errno, Hints...)
		assert.Equal(t, id, got.ID, errno)
		assert.Equal(t, id != "", got.Command == "grep Seccomp /proc/self/status", errno)
	}
}
