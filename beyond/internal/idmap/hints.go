//go:build linux

package idmap

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
)

// Hints are the failures of a program with the option --user.
var Hints = []common.Hint{
	{Operations: "clone", Errno: unix.EPERM, When: couldBeRoot, Make: asRoot},
	{Operations: "write", Errno: unix.EPERM, When: rootMapsRoot, Cause: cause.Cause{
		ID: "map-root", Command: "setpriv --dump",
		Text: "root may map user 0 only with the capability CAP_SETFCAP (see " +
			"user_namespaces(7)); to see which capabilities you have",
	}},
	{Operations: "run", Errno: unix.ENOENT, Cause: cause.Cause{
		ID: "newuidmap", Command: "SUDOapt-get install uidmap",
		Text: "a range of IDs needs newuidmap(1) and newgidmap(1), in shadow-utils on " +
			"Fedora",
	}},
	{Operations: "find your user in", Errno: unix.ENOENT, Cause: cause.Cause{
		ID: "subuid", Text: "no range of IDs is yours (see subuid(5)); add it",
		Command: "SUDOusermod --add-subuids 100000-165535 --add-subgids 100000-165535 " +
			"\"$(id -un)\"",
	}},
}

func wantsUser(object string) bool { return strings.Contains(object, "CLONE_NEWUSER") }

// couldBeRoot: a USER namespace would give a plain user the capabilities.
func couldBeRoot(f *cause.Facts, object string) bool {
	return !wantsUser(object) && f.CouldBeRoot()
}

// rootMapsRoot: since Linux 5.12, the map of user 0 to user 0 needs a capability.
func rootMapsRoot(f *cause.Facts, object string) bool {
	return f.UID == 0 && strings.HasSuffix(object, "/uid_map")
}

func asRoot(f *cause.Facts, _ string) cause.Cause {
	return cause.Cause{
		ID: "user", Text: "be root in a USER namespace",
		Command: cmdline.QuoteAll(slices.Insert(slices.Clone(f.Args), 1, "-U", "root")),
		Or:      "or be root: sudo " + cmdline.QuoteAll(f.Args),
	}
}
