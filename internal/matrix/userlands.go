//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

//go:embed userland.sh
var userlandScript string

// suites are the releases of Debian whose userlands run the tests.
var suites = []string{"trixie", "sid"}

// runUserlands runs make test in the userlands of all suites. With arguments, it runs
// another command in the userland of one suite.
func runUserlands(ctx context.Context, args []string) error {
	chosen, command := suites, []string{"make", "test"}
	if len(args) > 0 {
		chosen = args[:1]
	}
	if len(args) > 1 {
		command = args[1:]
	}
	var errs []error
	for _, suite := range chosen {
		errs = append(errs, runUserland(ctx, suite, command...))
	}
	return errors.Join(errs...)
}

// runUserland runs a command in the userland of a release. No guest is booted: the kernel
// is this machine's.
func runUserland(ctx context.Context, suite string, command ...string) error {
	packages, err := testPackages(".")
	if err != nil {
		return err
	}
	tree, err := install(ctx, "userland-"+suite, suite, packages)
	if err != nil {
		return err
	}
	fmt.Printf("run %s in the userland of %s\n", strings.Join(command, " "), suite)
	if err := runIn(ctx, tree, command); err != nil {
		return fmt.Errorf("%s in the userland of %s: %w", strings.Join(command, " "), suite,
			err)
	}
	return nil
}

// install installs a release of Debian with packages into a directory of the cache.
func install(ctx context.Context, name, suite string, packages []string) (string, error) {
	if err := needs(map[string]string{"mmdebstrap": "mmdebstrap"}); err != nil {
		return "", err
	}
	if os.Getuid() != 0 {
		return "", fmt.Errorf("%w: a userland: it needs root", errMissing)
	}
	site, err := mirror(ctx)
	if err != nil {
		return "", err
	}
	tree, err := filepath.Abs(filepath.Join(cacheDir, name))
	if err != nil {
		return "", err
	}
	if isComplete(tree, packages) {
		return tree, nil
	}
	if err := os.RemoveAll(tree); err != nil { // of a run that was interrupted, or older
		return "", err
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", err
	}
	fmt.Printf("install %s\n", name)
	if _, err := output(ctx, ".", "mmdebstrap", "--mode=root", "--variant=minbase",
		"--dpkgopt=force-unsafe-io", "--aptopt="+anyAge, "--keyring="+keyring,
		"--include="+strings.Join(packages, ","), suite, tree, site); err != nil {
		return "", fmt.Errorf("%w: %s: %w", errMissing, name, err)
	}
	return tree, setComplete(tree, packages)
}

// testPackages returns the packages that .ci/packages lists, and make.
func testPackages(checkout string) ([]string, error) {
	text, err := os.ReadFile(checkout + "/.ci/packages")
	if err != nil {
		return nil, err
	}
	packages := []string{"make", "ca-certificates"}
	for line := range strings.Lines(string(text)) {
		if word := strings.Fields(line); len(word) == 2 && word[0] != "#" {
			packages = append(packages, word[1])
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// runIn runs a command in a userland, on a clone of the sources.
func runIn(ctx context.Context, tree string, command []string) error {
	sources, err := os.MkdirTemp("", "nsteps-userland")
	if err != nil {
		return err
	}
	defer os.RemoveAll(sources)
	if err := os.Chmod(sources, 0o755); err != nil { // for the tests as a plain user
		return err
	}
	if err := copySources(ctx, sources); err != nil {
		return err
	}
	args := append([]string{"-c", userlandScript, "userland.sh", tree}, command...)
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Env = append(os.Environ(), "SOURCES="+sources)
	for _, name := range []string{"GOROOT", "GOMODCACHE", "GOCACHE"} {
		value, err := output(ctx, ".", "go", "env", name)
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(value))
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Go makes the mounts private for Unshareflags alone.
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS,
		Pdeathsig:    unix.SIGKILL,
	}
	return cmd.Run()
}
