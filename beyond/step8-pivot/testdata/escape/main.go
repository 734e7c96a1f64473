//go:build linux

// Escape leaves a chroot jail, as the program of chapter 6 does, and lists the root
// directory that it arrives in.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	must(os.MkdirAll("hole", 0o755))
	must(unix.Chroot("hole")) // the working directory stays
	for range 100 {
		must(unix.Chdir("..")) // at the top, it stays there
	}
	must(unix.Chroot("."))
	entries, err := os.ReadDir("/")
	must(err)
	for _, e := range entries {
		fmt.Println(e.Name())
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "escape:", err)
		os.Exit(1)
	}
}
