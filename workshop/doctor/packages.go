//go:build linux

package doctor

import "slices"

// Distributions are those whose packages are known, as Packages takes them.
var Distributions = []string{"debian", "fedora", "arch", "alpine"}

// Packages returns the commands that the chapters use, with the packages of one of the
// Distributions that hold them.
func Packages(distribution string) map[string]string {
	column := slices.Index(Distributions, distribution)
	found := map[string]string{}
	for _, c := range commands {
		found[c.name] = c.packages[column]
	}
	return found
}
