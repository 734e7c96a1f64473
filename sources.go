// Package nsteps holds the sources of the steps, for programs that show them.
package nsteps

import "embed"

// Sources has the file main.go of each step, as step1-pid/main.go.
//
//go:embed step*/main.go
var Sources embed.FS
