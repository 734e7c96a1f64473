// Package order lets the reader of program container change its order.
package order

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nsteps/internal/cmdline"
)

// An Entry is one thing that a child does to become a container.
type Entry struct {
	Name string
	Do   func(*cli.Context) error
}

// Always checks an option that a container has without being asked. Nobody can take it
// away: the steps' functions rely on it.
func Always(c *cli.Context, wanted bool) error {
	if !wanted {
		return cmdline.Usagef("%s always has new PID, MNT and NET namespaces", c.App.Name)
	}
	return nil
}

// Swap swaps the two entries that the option --swap names. The first entry stays: without
// it, the others would mount on the host.
func Swap(c *cli.Context, entries []Entry) error {
	if !c.IsSet("swap") {
		return nil
	}
	var names []string
	for _, entry := range entries[1:] {
		names = append(names, entry.Name)
	}
	a, b, _ := strings.Cut(c.String("swap"), ",")
	i, j := slices.Index(names, a), slices.Index(names, b)
	if i < 0 || j < 0 {
		return cmdline.Usagef("--swap takes two of %s, for example %s,%s, not %q",
			strings.Join(names, ", "), names[0], names[1], c.String("swap"))
	}
	entries[i+1], entries[j+1] = entries[j+1], entries[i+1]
	return nil
}
