//go:build !linux

package common

import "nsteps/internal/cmdline"

// NeedsLinux says on another operating system what the program needs, and exits.
func NeedsLinux(program string) { cmdline.NeedsLinux(program) }
