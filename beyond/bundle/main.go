//go:build linux

// Bundle writes the options of the steps as the configuration of an OCI runtime.
//
// Usage:
//
//	bundle [options] directory [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-u, --uts hostname       new UTS namespace with that hostname
//	-n, --net                new NET namespace
//	-i, --ipc                new IPC namespace
//	-U, --user               new USER namespace, in which the caller is root
//	-r, --root dir           make dir the top of all mounts
//	-g, --cgroup file=value  new cgroup with the limit file=value; may be repeated
//
// The directory is a bundle: a directory with the file config.json. The command
// runc run --bundle DIRECTORY NAME makes the container, and so does crun. A runtime gives
// the command no capability that config.json doesn't list, and this one lists none. Parts
// of /proc are read-only or hidden, as runc spec has them.
package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nsteps/beyond/internal/cgroup"
	"nsteps/common"
	"nsteps/internal/cmdline"
)

func main() {
	app := &cli.App{
		Name:      "bundle",
		Usage:     "write the options of the steps as the configuration of an OCI runtime",
		UsageText: "[options] directory [cmd [arg...]]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{
				Name: "u", Aliases: []string{"uts"}, Action: common.CheckHostname,
				Usage: "new UTS namespace with that `hostname`",
			},
			&cli.BoolFlag{Name: "n", Aliases: []string{"net"}, Usage: "new NET namespace"},
			&cli.BoolFlag{Name: "i", Aliases: []string{"ipc"}, Usage: "new IPC namespace"},
			&cli.BoolFlag{
				Name: "U", Aliases: []string{"user"},
				Usage: "new USER namespace, in which the caller is root",
			},
			&cli.StringFlag{
				Name: "r", Aliases: []string{"root"},
				Usage: "make `dir` the top of all mounts",
			},
			&cli.StringSliceFlag{
				Name: "g", Aliases: []string{"cgroup"}, Action: cgroup.CheckForm,
				Usage: "new cgroup with the limit `file=value`; may be repeated",
			},
		},
		DisableSliceFlagSeparator: true, // a value may have commas
		Action:                    run,
	}
	cmdline.Configure(app)
	err := cmdline.Run(app, os.Args)
	var usage *cmdline.UsageError
	switch {
	case errors.As(err, &usage):
		cmdline.Report(os.Stderr, app.Name, err, "usage: bundle "+app.UsageText+
			"\nsee: "+cmdline.Quote(os.Args[0])+" --help")
	case err != nil:
		cmdline.Report(os.Stderr, app.Name, err, "")
	}
	os.Exit(cmdline.ExitStatus(err))
}

// run writes the file config.json of the bundle.
func run(c *cli.Context) error {
	switch {
	case c.Bool("help"):
		return cli.ShowAppHelp(c)
	case c.NArg() == 0:
		return cmdline.Usagef("bundle takes the directory to write config.json to")
	case c.String("root") == "" || !c.Bool("mnt"):
		return cmdline.Usagef("bundle needs --mnt and --root: a runtime changes the root")
	}
	config, err := configOf(c)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Args().First(), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Args().First(), "config.json"),
		append(text, '\n'), 0o644)
}
