//go:build linux

package doctor

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"nsteps/internal/cmdline"
	"nsteps/workshop/output"
)

// subcommand is the name of the command, which its children are called by too.
const subcommand = "doctor"

// Command returns the command. Its error is a cmdline.Status of 1 if a step of the
// workshop can't run, and a cmdline.UsageError if the command line makes no sense.
func Command() *cli.Command {
	return &cli.Command{
		Name:      subcommand,
		Usage:     "check whether this machine can run every step, and print fixes",
		UsageText: "[options]",
		Description: "Short-lived child processes try each thing that the steps need. " +
			"They leave nothing behind.\n" +
			"Exit status 0 if the six steps of the workshop and binlibdepcp can run, 1 if " +
			"one can't,\n125 for wrong usage.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print as JSON"},
			// The child's side: what to try there.
			&cli.StringFlag{Name: "probe", Hidden: true},
			&cli.DurationFlag{Name: "limit", Hidden: true},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	if c.Args().Present() {
		return &cmdline.UsageError{Err: fmt.Errorf("%s takes options only, not %q",
			subcommand, c.Args().First())}
	}
	if c.IsSet("probe") {
		found, err := child(c.String("probe"), c.Duration("limit"))
		if err != nil {
			return &cmdline.UsageError{Err: err}
		}
		return json.NewEncoder(c.App.Writer).Encode(found)
	}
	report := diagnose(examine())
	var b strings.Builder
	if c.Bool("json") {
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(report); err != nil {
			return err
		}
	} else {
		write(&b, report, output.ProseColumns())
	}
	if err := output.Write(b.String()); err != nil {
		return err
	}
	if !report.Can {
		return cmdline.Status(1)
	}
	return nil
}
