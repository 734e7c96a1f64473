//go:build linux

package linux

import (
	"os"

	"golang.org/x/sys/unix"
)

// TempDir returns the directory for temporary files: $TMPDIR, or /tmp. Debian 13, Fedora
// and others mount /tmp with nosuid and nodev. The set-user-ID programs and devices that
// chapters and tests make work in /var/tmp there.
func TempDir() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	if isRestricted("/tmp") && !isRestricted("/var/tmp") {
		return "/var/tmp"
	}
	return "/tmp"
}

// isRestricted reports whether a directory can't be used, or is on a mount with nosuid,
// nodev or noexec.
func isRestricted(dir string) bool {
	const options = unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) != nil || fs.Flags&options != 0
}
