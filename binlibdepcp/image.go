//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"nsteps/binlibdepcp/image"
	"nsteps/binlibdepcp/jail"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// reference is the form of an image's name: the form that docker(1) takes, without the
// port of a registry.
var reference = regexp.MustCompile(
	`^([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)` +
		`:([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$`)

// imageFlags are the options of an image.
var imageFlags = []cli.Flag{
	&cli.StringFlag{
		Name:  "image",
		Usage: "write a container image of the binaries, or of a jail, to `file`",
	},
	&cli.StringSliceFlag{
		Name:  "cmd",
		Usage: "`word` of the image's command; may be repeated",
	},
	&cli.StringFlag{
		Name: "tag", Value: "jail:latest",
		Usage: "`name` and tag of the image",
	},
}

// checkImage returns what is wrong with the options of an image.
func checkImage(c *cli.Context) error {
	switch {
	case c.IsSet("image") && (c.Bool("list") || c.Bool("tree") || c.Bool("json")):
		return errors.New("--image needs no --list, --tree or --json")
	case !c.IsSet("image") && (c.IsSet("cmd") || c.IsSet("tag")):
		return errors.New("--cmd and --tag are for --image")
	case c.IsSet("image") && c.String("image") == "":
		return errEmpty
	case c.IsSet("image") && isDirectory(c.Args().Slice()) &&
		(c.IsSet("also") || c.IsSet("with") || c.IsSet("root")):
		return errors.New(
			"an image of a jail has the files of the jail: copy more files into it first")
	case !reference.MatchString(c.String("tag")):
		return fmt.Errorf("--tag takes a name such as jail:latest, not %q", c.String("tag"))
	}
	return nil
}

// isDirectory reports whether the only argument is a directory that exists: the jail to
// make an image of.
func isDirectory(args []string) bool {
	if len(args) != 1 {
		return false
	}
	info, err := os.Stat(args[0])
	return err == nil && info.IsDir()
}

// runImage makes an image of the binaries, or of a jail.
func runImage(c *cli.Context, args []string) (err error) {
	command, err := imageCommand(c, args)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(c.String("image"))
	defer stop()
	removeLeftovers()
	if isDirectory(args) {
		return makeImage(ctx, c, args[0], command)
	}
	temporary, lock, err := linux.MakeTempDir(os.TempDir(), jail.ImagePattern)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, linux.RemoveTree(temporary), lock.Close())
	}()
	target := filepath.Join(temporary, "jail") // the jail has a lock of its own
	if err := copyOrList(c, args, target, false); err != nil {
		return err
	}
	return makeImage(ctx, c, target, command)
}

// removeLeftovers removes the directories that killed runs have left. What can't be
// removed stays.
func removeLeftovers() {
	for _, dir := range linux.OwnFiles(os.TempDir(), jail.ImagePattern, fs.ModeDir) {
		if lock, err := linux.LockDir(dir); err == nil {
			_ = linux.RemoveTree(dir)
			lock.Close()
		}
	}
}

// imageCommand returns the command of the image: the words of --cmd, or the first
// program. The configuration is JSON, which has no place for bytes that aren't UTF-8.
func imageCommand(c *cli.Context, args []string) (words []string, err error) {
	words = c.StringSlice("cmd")
	if words == nil && len(args) > 0 && !isDirectory(args) {
		path := args[0]
		if strings.Contains(path, "/") {
			if path, err = absolute(path, c.IsSet("root")); err != nil {
				return nil, err
			}
		}
		words = []string{path}
	}
	for _, word := range words {
		if !utf8.ValidString(word) {
			return nil, cmdline.Usagef("a word of the image's command isn't UTF-8: %s", word)
		}
	}
	return words, nil
}

// absolute returns the path that a program has in the image. A relative one begins in the
// working directory, or at the top of the tree of --root.
func absolute(path string, inTree bool) (string, error) {
	if inTree {
		return filepath.Join("/", path), nil
	}
	return filepath.Abs(path)
}

// makeImage writes an image of a directory that runs a command.
func makeImage(ctx context.Context, c *cli.Context, directory string, command []string,
) error {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	config := image.Config{Cmd: command}
	if earlier, err := os.Lstat(c.String("image")); err == nil {
		config.Without = earlier
	}
	config.Repository, config.Tag, _ = strings.Cut(c.String("tag"), ":")
	var sockets []string
	err = image.Create(c.String("image"), func(file *os.File) (err error) {
		sockets, err = image.Write(ctx, file, root, config)
		return err
	})
	for _, socket := range sockets {
		fmt.Fprintf(os.Stderr, "binlibdepcp: note: an image has no sockets: without %s\n",
			cmdline.Printable(socket))
	}
	return err
}
