// Include writes into chapters the code that they show, as the sources have it now, and
// the label before each block that is typed.
//
// Usage, in the directory of the module:
//
//	include docs/*.md
package main

import (
	"bytes"
	"log"
	"os"

	"nsteps/workshop/page"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("include: ")
	for _, file := range os.Args[1:] {
		before, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		after, err := include(file, before, os.DirFS("."))
		if err != nil {
			log.Fatal(err)
		}
		after = page.Label(file, after)
		if !bytes.Equal(before, after) {
			if err := os.WriteFile(file, after, 0o644); err != nil {
				log.Fatal(err)
			}
		}
	}
}
