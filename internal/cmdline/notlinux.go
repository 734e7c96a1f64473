//go:build !linux

package cmdline

import (
	"fmt"
	"os"
	"runtime"
)

// NeedsLinux says on another operating system what the program needs, and exits.
func NeedsLinux(program string) {
	fmt.Fprintf(os.Stderr,
		"%s: namespaces are a feature of the Linux kernel, and this is %s\n"+
			"  run it in a Linux virtual machine, for example with Lima, "+
			"Multipass or WSL 2\n", program, runtime.GOOS)
	os.Exit(StatusFailed)
}
