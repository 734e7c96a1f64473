//go:build !linux

package main

import "nsteps/common"

func main() { common.NeedsLinux("container") }
