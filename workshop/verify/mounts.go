//go:build linux

package verify

import (
	"strings"
)

// A mount is a line of /proc/PID/mountinfo: proc_pid_mountinfo(5).
type mount struct {
	Point string `json:"point"` // seen from the root directory of the process
	Type  string `json:"type"`

	device, root string
	group        string // the peer group, "" if it is in none
	master       string // the one that it is a slave of, or ""
}

// unescape is for what the kernel writes in octal: proc_pid_mounts(5).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`)

// parseMounts reads "id parent device root point options [field...] - type source ...".
func parseMounts(mountinfo string) (mounts []mount) {
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields, types := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 6 || len(types) < 1 {
			continue
		}
		m := mount{Point: unescape.Replace(fields[4]), Type: types[0],
			device: fields[2], root: unescape.Replace(fields[3])}
		for _, field := range fields[6:] {
			if group, ok := strings.CutPrefix(field, "shared:"); ok {
				m.group = group
			}
			if group, ok := strings.CutPrefix(field, "master:"); ok {
				m.master = group
			}
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// A comparison is of the mounts of a process with those of the host.
type comparison struct {
	Count  int      `json:"count"`
	Own    []mount  `json:"own"`    // that the host hasn't
	Shared []string `json:"shared"` // the mount points of those in a peer group with one of the host's
}

// compare tells which mounts the host hasn't, and which could hand on to it what is
// mounted below them: mount_namespaces(7). Root is the root directory of the process as
// the host names it.
func compare(mounts, host []mount, root string) *comparison {
	type key struct{ device, root, point string }
	there, groups := map[key]int{}, map[string]bool{}
	for _, m := range host {
		there[key{m.device, m.root, m.Point}]++
		for _, group := range []string{m.group, m.master} {
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
		if k := (key{m.device, m.root, point}); there[k] > 0 {
			there[k]--
		} else {
			c.Own = append(c.Own, m)
		}
		if groups[m.group] {
			c.Shared = append(c.Shared, m.Point)
		}
	}
	return c
}
