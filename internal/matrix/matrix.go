//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"nsteps"
)

// checks are the rows of the table. Those that CI leaves out take long, or step 6 has
// the same options.
var checks = slices.Concat([]check{
	{"doctor", "internal/matrix", "TestChecks/doctor", true},
	{"common", "step1-pid", "TestScripts/common", false}, // what holds for every step
}, stepChecks(), []check{
	{"jail", "internal/matrix", "TestChecks/jail", true},
	{"signals", "internal/steptest", "TestSignalToParent|TestKilledParent|TestCtrlC", false},
	{"verify", "workshop", "TestVerifyHints", false},
	// TestScripts/own of step12-cgroup has the limits; this is what is left after it.
	{
		"cgroup", "beyond/step12-cgroup",
		"TestNothingLeft|TestLeftover|TestKilledAtAnyTime|TestWithoutOption", true,
	},
	{"bundle", "beyond/bundle", "TestScripts/limits", false},
})

// stepChecks returns a check for each step.
func stepChecks() (all []check) {
	for _, step := range nsteps.Steps {
		inCI := slices.Contains([]string{"mnt", "ipc", "chroot"}, step.Short)
		all = append(all, check{step.Name, step.Dir, "TestScripts/own", inCI})
	}
	return all
}

// limit is how long a guest may run. An emulated processor is ten to twenty times slower.
const limit = 30 * time.Minute

// runMatrix boots all guests, prints the table and writes it to a page, if one is named.
func runMatrix(ctx context.Context, page string) error {
	reports, err := runGuests(ctx, guests, checks)
	if err != nil {
		return err
	}
	writeTable(os.Stdout, reports, checks)
	if err := judge(os.Stdout, reports, checks); err != nil {
		return err
	}
	for _, r := range reports {
		if r.missing != nil {
			return fmt.Errorf("%s: %w", r.guest, r.missing)
		}
	}
	if page == "" {
		return nil
	}
	return writePage(page, reports, checks)
}

// runOne runs checks in one guest.
func runOne(ctx context.Context, kernel, arch string, checks []check) error {
	g, err := findGuest(kernel, arch)
	if err != nil {
		return err
	}
	reports, err := runGuests(ctx, []guest{g}, checks)
	if err != nil {
		return err
	}
	writeTable(os.Stdout, reports, checks)
	return errors.Join(judge(os.Stdout, reports, checks), reports[0].missing)
}

// runTests runs whole test packages in one guest, given by their directories.
func runTests(ctx context.Context, kernel, arch string, dirs []string) error {
	if len(dirs) == 0 {
		for _, step := range nsteps.Steps {
			dirs = append(dirs, step.Dir)
		}
		dirs = append(dirs, testDirs...)
	}
	var whole []check
	for _, dir := range dirs {
		dir = filepath.Clean(dir)
		whole = append(whole, check{strings.ReplaceAll(dir, "/", "-"), dir, ".", false})
	}
	return runOne(ctx, kernel, arch, whole)
}

// testDirs are the packages that `make matrix-tests` runs after those of the steps.
var testDirs = []string{
	"common", "binlibdepcp", "binlibdepcp/ldso", "binlibdepcp/jail", "workshop",
	"workshop/cleanup", "workshop/doctor", "workshop/ns", "workshop/procs",
	"workshop/verify",
}

// runGuests boots guests, two at a time, with an initramfs for each architecture.
func runGuests(ctx context.Context, chosen []guest, checks []check) ([]*report, error) {
	dir, err := os.MkdirTemp("", "nsteps-matrix")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	initrds := map[string]string{}
	reports, errs := make([]*report, len(chosen)), make([]error, len(chosen))
	slots := make(chan struct{}, 2) // QEMU's processors keep two cores busy
	var wg sync.WaitGroup
	for i, g := range chosen {
		k, err := prepare(ctx, g, dir, initrds, checks)
		if errors.Is(err, errMissing) {
			reports[i] = &report{guest: g, missing: err}
			continue
		}
		if err != nil {
			errs[i] = err
			break
		}
		slots <- struct{}{}
		fmt.Printf("boot %s\n", g)
		initrd := initrds[g.arch]
		wg.Go(func() {
			defer func() { <-slots }()
			reports[i], errs[i] = g.boot(ctx, k, initrd, "1536M")
			if r := reports[i]; r != nil {
				fmt.Printf("ended %s after %s, with %s of processor time\n", g, r.took, r.cpu)
			}
		})
	}
	wg.Wait()
	return reports, errors.Join(append(errs, ctx.Err())...)
}

// prepare brings the kernel of a guest. It packs the initramfs of the architecture if
// initrds doesn't name one yet.
func prepare(
	ctx context.Context, g guest, dir string, initrds map[string]string, checks []check,
) (k kernel, err error) {
	if err := needs(map[string]string{
		"qemu-system-x86_64":  "qemu-system-x86",
		"qemu-system-aarch64": "qemu-system-arm",
		"cpio":                "cpio",
		"insmod":              "kmod",
	}); err != nil {
		return k, err
	}
	if k, err = g.fetchKernel(ctx); err != nil {
		return k, err
	}
	if initrds[g.arch] == "" {
		fmt.Printf("pack the guest of %s\n", g.arch)
		initrds[g.arch], err = pack(ctx, dir, g.arch, checks)
	}
	return k, err
}

// cell says how a check went: "ok", or who failed.
func (r *report) cell(name string) string {
	var bad []string
	seen := 0
	for _, result := range r.results {
		if result.check != name {
			continue
		}
		seen++
		switch {
		case result.ok():
		case result.skipped && result.status == 0:
			bad = append(bad, result.user+" skipped")
		default:
			bad = append(bad, result.user+" failed")
		}
	}
	switch {
	case seen < len(users):
		bad = append(bad, "not run")
	case bad == nil:
		return "ok"
	}
	return strings.Join(bad, ", ")
}

// writeTable writes a column for each guest, and a row for each check.
func writeTable(w io.Writer, reports []*report, checks []check) {
	row := func(name string, cell func(*report) string) {
		fmt.Fprintf(w, "| %s |", name)
		for _, r := range reports {
			fmt.Fprintf(w, " %s |", cell(r))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	row("kernel", func(r *report) string { return cmp.Or(r.kernel, r.guest.kernel) })
	fmt.Fprintln(w, "|"+strings.Repeat("---|", 1+len(reports)))
	row("architecture", func(r *report) string { return r.guest.arch })
	row("time", func(r *report) string { return r.took.String() })
	for _, c := range checks {
		row(c.name, func(r *report) string { return r.cell(c.name) })
	}
	fmt.Fprintln(w)
}

// judge returns an error if a check didn't pass, and prints its output. It skips guests
// that could not be made here, loudly.
func judge(w io.Writer, reports []*report, checks []check) error {
	failed := 0
	for _, r := range reports {
		if r.missing != nil {
			skip("the guest "+r.guest.String(), r.missing)
			continue
		}
		for _, result := range r.results {
			if !result.ok() {
				failed++
				fmt.Fprintf(w, "--- %s, %s as %s: status %d\n%s\n", r.guest, result.check,
					result.user, result.status, result.text)
			}
		}
		if missing := len(checks)*len(users) - len(r.results); missing > 0 || !r.done {
			failed += max(missing, 1)
			fmt.Fprintf(w, "--- %s: %d checks didn't run; see %s\n", r.guest, missing, r.log)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed; the logs are in %s", failed,
			filepath.Join(cacheDir, "logs"))
	}
	return nil
}
