//go:build linux

package ldso

import (
	"bytes"
	"fmt"
	"strings"
)

// A Libc is a libc.so.6 of glibc's, and what was built into it.
type Libc struct {
	*Object
	Version string // such as 2.36, "" if it isn't known
	Gconv   string // the directory of the modules of iconv(3), "" if it isn't known
}

// Libc returns the libc.so.6 that the program loads, or nil if it loads none.
func (c *Closure) Libc() *Libc {
	o := c.Find("libc.so.6")
	if o == nil || c.interpreter.Musl {
		return nil
	}
	known, ok := c.linker.libcs[o.Inode()]
	if !ok {
		if b, err := c.linker.tree.read(o.Real, maxObject); err == nil {
			known.Version, known.Gconv = parseLibc(b)
		}
		c.linker.libcs[o.Inode()] = known
	}
	known.Object = o
	return &known
}

// OlderThan reports whether it is known to be of a release before 2.minor.
func (l *Libc) OlderThan(minor int) bool { return olderThan(l.Version, minor) }

// parseLibc looks for the release and the directory of gconv in the bytes of libc.so.6.
func parseLibc(b []byte) (version, gconv string) {
	version = parseRelease(b)
	// The symbol versions tell it too. But a release has one of its own only if it has
	// new symbols.
	for minor := 99; version == "" && minor > 0; minor-- {
		if bytes.Contains(b, fmt.Appendf(nil, "\x00GLIBC_2.%d\x00", minor)) {
			version = fmt.Sprintf("2.%d", minor)
		}
	}
	const cache = "/gconv-modules.cache"
	if before, _, ok := bytes.Cut(b, []byte(cache+"\x00")); ok {
		gconv = strings.TrimSuffix(cString(b[bytes.LastIndexByte(before, 0)+1:]), cache)
	}
	return version, gconv
}

// parseRelease returns the release that the banner of glibc names. The dynamic linker has
// one since 2.33, libc.so.6 always had one.
func parseRelease(b []byte) string {
	const banner = " release version "
	_, after, ok := bytes.Cut(b, []byte(banner))
	if !ok {
		return ""
	}
	version := cString(after)
	rest := strings.TrimLeft(version, ".0123456789")
	return strings.TrimSuffix(strings.TrimSuffix(version, rest), ".")
}

// olderThan reports whether a version of glibc is known to be before 2.minor.
func olderThan(version string, minor int) bool {
	var major, n int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &n)
	return err == nil && (major < 2 || major == 2 && n < minor)
}
