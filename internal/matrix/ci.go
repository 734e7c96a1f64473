//go:build linux

package main

import (
	"context"
	"errors"
	"os"
)

// runCI runs the part of the matrix and of the userlands that CI has time for. What can't
// be had is skipped, loudly; a check that fails is an error.
func runCI(ctx context.Context) error {
	var chosen []guest
	for _, g := range guests {
		if g.inCI {
			chosen = append(chosen, g)
		}
	}
	var short []check
	for _, c := range checks {
		if c.inCI {
			short = append(short, c)
		}
	}
	reports, err := runGuests(ctx, chosen, short)
	if err == nil {
		writeTable(os.Stdout, reports, short)
		err = judge(os.Stdout, reports, short)
	}
	if ctx.Err() != nil {
		return err
	}
	userland := runUserland(ctx, "trixie", "go", "test", "-count=1", "./binlibdepcp/...",
		"./workshop/session")
	if errors.Is(userland, errMissing) {
		skip("the userland of trixie", userland)
		userland = nil
	}
	return errors.Join(err, userland)
}
