//go:build !linux

package main

import "nsteps/internal/cmdline"

func main() { cmdline.NeedsLinux("binlibdepcp") }
