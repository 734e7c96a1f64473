//go:build linux

// Matrix runs the tests of nsteps on other kernels, architectures and userlands.
//
// Usage:
//
//	matrix [-write FILE]             the checks on all kernels, two guests at a time
//	matrix only KERNEL ARCH          the checks on one kernel
//	matrix ci                        the part that CI has time for
//	matrix tests KERNEL ARCH [DIR…]  whole test packages in one guest
//	matrix userlands [SUITE [CMD…]]  make test, or a command, in other Debian userlands
//	matrix systemd                   the checks in a guest that systemd runs
//
// A guest is QEMU without KVM and without a disk. Its kernel comes from a Debian package,
// binlibdepcp fills its root file system, an initramfs, and its programs and tests are
// compiled outside. A check is a test of this repository, which `make test` runs on the
// machine itself, so there is one list of checks.
//
// All downloads stay below .cache/matrix. The Debian packages that the host needs are
// qemu-system-x86, qemu-system-arm, cpio, kmod and mmdebstrap.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cacheDir holds kernels, userlands and logs. `make clean` removes it.
const cacheDir = ".cache/matrix"

// errMissing means that this machine or its network lacks something that a guest or a
// userland is made of. It says nothing about nsteps.
var errMissing = errors.New("can't be had here")

func main() {
	page := flag.String("write", "", "write the table to this Markdown `file`")
	flag.Parse()
	// The signals end the guests and commands, and then the temporary directories go.
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM,
		unix.SIGHUP)
	defer stop()
	var err error
	switch args := flag.Args(); {
	case len(args) == 0:
		err = runMatrix(ctx, *page)
	case args[0] == "ci" && len(args) == 1:
		err = runCI(ctx)
	case args[0] == "only" && len(args) == 3:
		err = runOne(ctx, args[1], args[2], checks)
	case args[0] == "tests" && len(args) >= 3:
		err = runTests(ctx, args[1], args[2], args[3:])
	case args[0] == "userlands":
		err = runUserlands(ctx, args[1:])
	case args[0] == "systemd" && len(args) == 1:
		err = runSystemd(ctx)
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

// skip says loudly that something doesn't run.
func skip(what string, err error) {
	fmt.Fprintf(os.Stderr, "\n*** SKIPPED: %s: %v\n\n", what, err)
}

// needs returns an error that names the Debian packages of the commands that are missing.
func needs(packageOf map[string]string) error {
	var missing []string
	for command, name := range packageOf {
		_, err := exec.LookPath(command)
		_, system := exec.LookPath("/usr/sbin/" + command) // not in a plain user's PATH
		if err != nil && system != nil {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("%w: apt-get install %s", errMissing, strings.Join(missing, " "))
}

// output runs a command in a directory and returns its standard output. The error holds
// the end of its standard error.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	return outputOf(exec.CommandContext(ctx, name, args...), dir)
}

func outputOf(cmd *exec.Cmd, dir string) (string, error) {
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		text := strings.TrimSpace(stderr.String())
		if len(text) > 2000 {
			text = "…" + text[len(text)-2000:]
		}
		err = fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, text)
	}
	return string(out), err
}
