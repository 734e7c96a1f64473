//go:build linux

package linux

import "strings"

// A Mount is a line of /proc/PID/mountinfo (see proc_pid_mountinfo(5)).
type Mount struct {
	Point  string // seen from the root directory of the process
	Type   string // of the file system
	Device string // "major:minor"
	Root   string // the directory of that file system that is mounted
	Group  string // the peer group, "" if it is in none
	Master string // the peer group that it is a slave of, or ""
	// Options are those of the file system, for example "rw,memory".
	Options string
}

// unescape is for what the kernel writes in octal (see proc_pid_mounts(5)).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n",
	`\043`, "#", `\134`, `\`)

// ParseMounts reads "id parent device root point options [field...] - type source ...".
// It passes over lines of another form.
func ParseMounts(mountinfo string) (mounts []Mount) {
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields, types := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 6 || len(types) < 1 {
			continue
		}
		m := Mount{
			Point: unescape.Replace(fields[4]), Type: types[0],
			Device: fields[2], Root: unescape.Replace(fields[3]),
		}
		if len(types) > 2 {
			m.Options = types[2]
		}
		for _, field := range fields[6:] {
			switch name, group, _ := strings.Cut(field, ":"); name {
			case "shared":
				m.Group = group
			case "master":
				m.Master = group
			}
		}
		mounts = append(mounts, m)
	}
	return mounts
}
