//go:build linux

// Workshop has the command doctor, as the real one has it, for its tests.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"nsteps/internal/cmdline"
	"nsteps/workshop/doctor"
)

func main() {
	app := &cli.App{
		Name: "workshop", Usage: "test", UsageText: "command",
		Commands: []*cli.Command{doctor.Command()},
	}
	cmdline.Configure(app)
	err := cmdline.Run(app, os.Args)
	var usage *cmdline.UsageError
	var status cmdline.Status
	switch {
	case err == nil:
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "workshop:", err)
		os.Exit(cmdline.StatusFailed)
	case errors.As(err, &status):
		os.Exit(int(status))
	default:
		fmt.Fprintln(os.Stderr, "workshop:", err)
		os.Exit(1)
	}
}
