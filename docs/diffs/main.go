// Diffs writes what each step adds to its base into docs/diff.
//
// Usage, in the directory of the module:
//
//	diffs
package main

import (
	"errors"
	"log"
	"os"
	"os/exec"

	"nsteps"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("diffs: ")
	for _, step := range nsteps.Steps {
		if step.Base == "" {
			continue
		}
		base, err := nsteps.Find(step.Base)
		if err != nil {
			log.Fatal(err)
		}
		before, after := base.Source(), step.Source()
		out, err := exec.Command("diff", "-u", "--label", before, "--label", after,
			before, after).Output()
		// Status 1 means that the files differ.
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			log.Fatalf("diff %s %s: %v", before, after, err)
		}
		if err := os.WriteFile("docs/diff/"+step.Name+".diff", out, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
