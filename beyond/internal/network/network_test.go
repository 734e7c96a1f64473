//go:build linux

package network

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
)

// What the tests of the step can't provoke on every machine.
func TestHints(t *testing.T) {
	root := &cause.Facts{Args: []string{"step11-veth", "-ne", "10.9.8.0/30"}}
	user := &cause.Facts{Args: root.Args, UID: 1000}
	refused := &cause.Facts{Args: root.Args, UID: 1000, NoClone: true}
	for _, test := range []struct {
		operation, object string
		errno             unix.Errno
		facts             *cause.Facts
		id                string
	}{
		{"add link", "veth%d", unix.EOPNOTSUPP, root, "kernel-veth"},
		{"add link", "veth%d", unix.EPERM, root, "cable"},
		{"clone", "CLONE_NEWNET", unix.EPERM, user, "cable"},
		{"clone", "CLONE_NEWPID|CLONE_NEWNET", unix.EPERM, user, "cable"},
		{"clone", "CLONE_NEWPID", unix.EPERM, user, "root"},
		{"clone", "CLONE_NEWNET", unix.EPERM, refused, "root"},
		{"use network", "10.9.8.0/30", unix.EADDRINUSE, user, "network"},
	} {
		got := test.facts.Explain(test.operation, test.object, test.errno, Hints...)
		assert.Equal(t, test.id, got.ID, "%v", test)
		assert.NotEmpty(t, got.Command)
	}
}
