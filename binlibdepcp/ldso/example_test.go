//go:build linux

package ldso_test

import (
	"fmt"

	"nsteps/binlibdepcp/ldso"
)

// The closure of this machine's shell: each path, and the rule by which it was found.
func Example() {
	linker := ldso.New(ldso.Host(), "/")
	closure, err := linker.Closure("/bin/sh")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, object := range closure.Objects[:1] {
		fmt.Println(object.Name, object.Rule)
	}
	for _, problem := range closure.Problems {
		fmt.Println(problem)
	}
	// Output: /bin/sh
}
