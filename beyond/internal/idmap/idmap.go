//go:build linux

// Package idmap is what programs with the option --user need of ID maps beside their
// lessons: the capabilities of a child whose map isn't written yet, and maps of more than
// one ID.
package idmap

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/user"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/beyond/internal/privilege"
	"nsteps/common"
	"nsteps/internal/cmdline"
)

// CheckUser checks the value of the option --user.
func CheckUser(_ *cli.Context, value string) error {
	if value != "nobody" && value != "root" && value != "range" {
		return cmdline.Usagef("--user takes nobody, root or range, not %q", value)
	}
	return nil
}

// CheckMapped is CheckUser for a container: its user owns the files of the overlay.
func CheckMapped(_ *cli.Context, value string) error {
	if value != "root" && value != "range" {
		return cmdline.Usagef("--user takes root or range, not %q", value)
	}
	return nil
}

// Default returns the word that a container needs, which has a USER namespace if its user
// isn't root.
func Default() string {
	if os.Getuid() == 0 {
		return ""
	}
	return "root"
}

// KeepCapabilities lets the child in a new USER namespace keep its capabilities when it
// executes this program. execve(2) takes them from a process that isn't root, and no
// process is root before the map is written. Ambient capabilities survive
// (capabilities(7)).
func KeepCapabilities(sys *syscall.SysProcAttr) {
	if sys.Cloneflags&unix.CLONE_NEWUSER == 0 {
		return
	}
	all, _ := privilege.Capabilities() // without any, the child's first mount(2) fails
	sys.AmbientCaps = append(sys.AmbientCaps, all...)
}

// DropCapabilities takes back the ambient capabilities before the command is executed.
// The command keeps capabilities only if it is root.
func DropCapabilities() error { return privilege.ClearInheritable() }

// WriteRange maps the IDs from 1 on to the range that subuid(5) and subgid(5) give the
// user, beside the IDs that uid and gid map. These two have the form of a line of
// uid_map.
func WriteRange(c *cli.Context, process *common.Child, uid, gid string) error {
	for _, m := range []struct {
		program, own, file string
		find               func() ([]user.SubID, error)
	}{
		{"newuidmap", uid, "/etc/subuid", user.CurrentUserSubUIDs},
		{"newgidmap", gid, "/etc/subgid", user.CurrentUserSubGIDs},
	} {
		ranges, err := m.find()
		if err != nil && !errors.Is(err, os.ErrNotExist) &&
			!errors.Is(err, user.ErrNoPasswdEntries) {
			return common.Failed("read", m.file, err)
		}
		if len(ranges) == 0 {
			return common.Failed("find your user in", m.file, unix.ENOENT)
		}
		first, count := ranges[0].SubID, ranges[0].Count
		args := append([]string{path.Base(process.Proc(""))}, strings.Fields(m.own)...)
		args = append(args, "1", strconv.FormatInt(first, 10), strconv.FormatInt(count, 10))
		if err := run(c, m.program, args); err != nil {
			return err
		}
	}
	return nil
}

// run runs a privileged program, which prints the reason if it fails.
func run(c *cli.Context, program string, args []string) error {
	cmd := exec.Command(program, args...)
	common.Parentf(c, "%s", cmdline.QuoteAll(cmd.Args))
	printed, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return common.Failed("run", program, unix.ENOENT)
	}
	if err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(string(printed)), "\n")
		reason = strings.TrimPrefix(reason, program+": ")
		return fmt.Errorf("%s: %w", cmdline.QuoteAll(cmd.Args),
			errors.New(cmp.Or(cmdline.Printable(reason), err.Error())))
	}
	return nil
}
