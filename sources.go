// Package nsteps is the list of the steps, with their sources, for the programs and tests
// that go through all of them.
package nsteps

import (
	"embed"
	"io/fs"
)

//go:embed step*/main.go beyond/*/main.go
var sources embed.FS

// Sources has the file main.go of each step, for example step1-pid/main.go.
var Sources fs.FS = sources
