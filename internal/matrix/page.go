//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// pageStart is the text above the table, with a gap for the date.
const pageStart = `# Where nsteps was tested

%s wrote this page on %s. It boots each kernel of this table under QEMU and runs
the tests of the rows in there, each as root and as a plain user in a user namespace.
An "ok" means that both passed. The time is that of the whole guest. QEMU emulates its
processors, so the time says nothing about the speed of the programs.
`

// writePage writes the table as a page of the documentation.
func writePage(file string, reports []*report, checks []check) error {
	var b strings.Builder
	fmt.Fprintf(&b, pageStart, "`make matrix`", time.Now().Format("2 January 2006"))
	writeTable(&b, reports, checks)
	text := strings.TrimRight(b.String(), "\n") + "\n"
	return os.WriteFile(file, []byte(text), 0o644)
}
