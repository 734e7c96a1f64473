//go:build linux

package verify

import (
	"strings"

	"nsteps/internal/linux"
)

// A mount is a mount that the host doesn't have.
type mount struct {
	Point string `json:"point"` // seen from the root directory of the process
	Type  string `json:"type"`
}

// A comparison is of the mounts of a process with those of the host.
type comparison struct {
	Count  int      `json:"count"`
	Own    []mount  `json:"own"`    // that the host doesn't have
	Shared []string `json:"shared"` // points of those in a peer group with the host's
}

// compare tells which mounts the host doesn't have, and which could hand on to it what is
// mounted below them: mount_namespaces(7). Root is the root directory of the process as
// the host names it.
func compare(mounts, host []linux.Mount, root string) *comparison {
	type key struct{ device, root, point string }
	there, groups := map[key]int{}, map[string]bool{}
	for _, m := range host {
		there[key{m.Device, m.Root, m.Point}]++
		for _, group := range []string{m.Group, m.Master} {
			if group != "" {
				groups[group] = true
			}
		}
	}
	c := &comparison{Count: len(mounts), Own: []mount{}, Shared: []string{}}
	for _, m := range mounts {
		point := m.Point
		if root != "/" {
			point = strings.TrimSuffix(root+point, "/")
		}
		if k := (key{m.Device, m.Root, point}); there[k] > 0 {
			there[k]--
		} else {
			c.Own = append(c.Own, mount{m.Point, m.Type})
		}
		if groups[m.Group] {
			c.Shared = append(c.Shared, m.Point)
		}
	}
	return c
}
