//go:build linux

// Binlibdepcp copies programs, and all that their dynamic linker would load for them,
// into a directory that is to be the root of a chroot jail.
//
// Usage:
//
//	binlibdepcp [options] binary... directory
//	binlibdepcp [options] --also path directory
//	binlibdepcp [options] --image file binary...
//	binlibdepcp [options] --image file directory
//	binlibdepcp -l [options] binary...
//
// Options:
//
//	-h, --help               show this help and exit
//	-n, --no-clobber         don't replace existing files
//	-l, --list               print the paths of the files to copy; copy nothing
//	    --tree               print what each file needs and how it is found; copy nothing
//	    --json               print as JSON; without a directory, copy nothing
//	    --root dir           read all files from the system tree in dir; paths start there
//	    --also path          also copy path, a file or a directory tree; may be repeated
//	    --with kinds         also copy files that no header names, comma-separated
//	                         kinds:
//	                         nss, gconv, terminfo, dlopen, certs, locale
//	    --library-path dirs  search dirs too, as with LD_LIBRARY_PATH, colon-separated
//	    --image file         write a container image of the binaries, or of a jail, to file
//	    --cmd word           word of the image's command; may be repeated
//	    --tag name           name and tag of the image (default: "jail:latest")
//	-q, --quiet              print neither one line per file nor notes
//
// A binary is an ELF program or library, or a script, which is copied with the program
// that its #! line names. A file of another kind is copied as it is. A name without a
// slash is looked for in the usual PATH, then in the working directory. Each file gets
// the same path in the jail as on the host. The jail is created if it doesn't exist. For
// a binary that is in the jail already, only the missing files are copied.
//
// The exit status is 0 if all files were found and copied, 1 if not (the others are still
// copied), and 125 for wrong usage.
//
// None of the copied files is executed. Package nsteps/binlibdepcp/ldso explains how the
// libraries are found, and nsteps/binlibdepcp/jail how they are written.
package main

import (
	"bufio"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/binlibdepcp/jail"
	"nsteps/binlibdepcp/ldso"
	"nsteps/internal/cmdline"
	"nsteps/internal/job"
)

// flags are the options, without those of an image.
var flags = []cli.Flag{
	&cli.BoolFlag{
		Name: "n", Aliases: []string{"no-clobber"},
		Usage: "don't replace existing files",
	},
	&cli.BoolFlag{
		Name: "l", Aliases: []string{"list"},
		Usage: "print the paths of the files to copy; copy nothing",
	},
	&cli.BoolFlag{
		Name:  "tree",
		Usage: "print what each file needs and how it is found; copy nothing",
	},
	&cli.BoolFlag{
		Name:  "json",
		Usage: "print as JSON; without a directory, copy nothing",
	},
	&cli.StringFlag{
		Name:  "root",
		Usage: "read all files from the system tree in `dir`; paths start there",
	},
	&cli.StringSliceFlag{
		Name:  "also",
		Usage: "also copy `path`, a file or a directory tree; may be repeated",
	},
	&cli.StringSliceFlag{
		Name: "with",
		Usage: "also copy files that no header names, comma-separated `kinds`: " +
			strings.Join(extraNames, ", "),
	},
	&cli.StringFlag{
		Name:  "library-path",
		Usage: "search `dirs` too, as with LD_LIBRARY_PATH, colon-separated",
	},
	&cli.BoolFlag{
		Name: "q", Aliases: []string{"quiet"},
		Usage: "print neither one line per file nor notes",
	},
}

func main() {
	job.EndByQuit()
	app := &cli.App{
		Name:  "binlibdepcp",
		Usage: "copy programs, and all that they load, into a directory",
		UsageText: "[options] binary... directory\n" +
			"       binlibdepcp [options] --also path directory\n" +
			"       binlibdepcp [options] --image file binary...\n" +
			"       binlibdepcp [options] --image file directory\n" +
			"       binlibdepcp -l [options] binary...",

		DisableSliceFlagSeparator: true, // a path may have a comma
		Flags:                     slices.Insert(flags, len(flags)-1, imageFlags...),
		Action:                    run,
	}
	cmdline.Configure(app)
	err := cmdline.Run(app, os.Args)
	status := report(err)
	dieOf(err)
	os.Exit(status)
}

// report prints an error, with what fixes it, and returns the exit status.
func report(err error) int {
	var usage *cmdline.UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		cmdline.Report(os.Stderr, "binlibdepcp", err, "usage: binlibdepcp [options] "+
			"binary... directory\n"+
			"or: binlibdepcp [options] --also path directory\nsee: "+
			cmdline.Quote(os.Args[0])+" --help")
		return cmdline.StatusFailed
	}
	seen := map[string]bool{}
	for _, err := range cmdline.Flatten(err) {
		if text := err.Error(); !seen[text] {
			seen[text] = true
			fmt.Fprintf(os.Stderr, "binlibdepcp: %s\n", short(cmdline.Printable(text)))
			for _, line := range hint(err) {
				fmt.Fprintf(os.Stderr, "  %s\n", short(cmdline.Printable(line)))
			}
		}
	}
	return 1
}

// short bounds a line, since an ELF file may name things of any length.
func short(line string) string {
	if len(line) > 1000 {
		return line[:1000] + "..."
	}
	return line
}

// hint returns lines on what fixes an error.
func hint(err error) []string {
	var missing *ldso.NotFound
	var failed *fs.PathError
	onPath := errors.As(err, &failed)
	switch {
	case errors.As(err, &missing):
		return missingHint(missing)
	case errors.Is(err, errCommand):
		return []string{"for a program elsewhere, give its path; shell builtins come " +
			"with the shell"}
	case errors.Is(err, ldso.ErrRegular):
		return []string{"programs come first, the directory to copy to comes last; for " +
			"a directory tree: --also DIRECTORY"}
	case errors.Is(err, jail.ErrStopped):
		return []string{"the same command completes it"}
	case onPath && errors.Is(err, unix.ENOSPC): // and not of standard output
		return []string{"when there is room, the same command completes it"}
	case onPath && failed.Op == "open" && errors.Is(failed.Err, unix.ENOTDIR):
		return []string{"the last argument is the directory to copy to"}
	case onPath && failed.Op == "mknod":
		name := cmdline.Quote(failed.Path)
		lines := []string{fmt.Sprintf("only the host's root can make a device; mount "+
			"the host's in its place: touch %s && mount --bind /dev/%s %s", name,
			filepath.Base(failed.Path), name)}
		if os.Geteuid() != 0 {
			lines = append(lines, "type that, and start the step, in the shell of: "+
				"unshare --user --map-root-user --mount bash")
		}
		return lines
	case errors.Is(err, unix.EMFILE):
		return []string{"the limit RLIMIT_NOFILE allows too few open files: " +
			"prlimit --pid $$ --nofile=1024"}
	case onPath && (errors.Is(failed.Err, unix.EACCES) ||
		errors.Is(failed.Err, unix.EPERM)):
		return []string{refusedHint(failed.Op)}
	}
	return nil
}

// missingHint returns lines on what fixes that a library isn't found.
func missingHint(missing *ldso.NotFound) (lines []string) {
	switch {
	case strings.HasSuffix(missing.Name, "\r"):
		return []string{"the script has line ends of DOS: sed -i 's/[[:cntrl:]]$//' " +
			cmdline.Quote(missing.By)}
	case errors.Is(missing.Err, unix.EACCES):
		return []string{refusedHint("open")}
	case missing.Err != nil: // the error says why it won't do
		return nil
	}
	fix := "install the package that provides it, or name its directory: " +
		"--library-path DIRECTORY"
	for _, s := range missing.Searched {
		lines = append(lines, "looked in "+s.String())
		switch {
		case s.Rule == "PATH":
			fix = "install the package that provides it"
		case errors.Is(s.Err, unix.ENOENT):
			fix += "; ldconfig makes " + s.Rule +
				", and ldconfig -r DIRECTORY makes it in another tree"
		}
	}
	return append(lines, fix)
}

// refusedHint returns a line on what fixes that an operation isn't permitted.
func refusedHint(op string) string {
	switch {
	case os.Geteuid() == 0:
		return "root is refused too: lsattr -d shows an i for an immutable file " +
			"(chattr +i); in a container or user namespace, be root outside"
	case op == "open" || op == "read":
		return "only its owner or root may read it"
	}
	return "use a directory of your own, or be its owner, or root"
}

func run(c *cli.Context) error {
	if c.Bool("help") {
		return cli.ShowAppHelp(c)
	}
	listing := c.Bool("list") || c.Bool("tree") || c.Bool("json") && c.NArg() == 1
	binaries, directory := c.Args().Slice(), ""
	if !listing && !c.IsSet("image") && len(binaries) > 0 {
		binaries, directory = binaries[:len(binaries)-1], binaries[len(binaries)-1]
	}
	err := checkImage(c)
	if err == nil {
		err = check(c, binaries, directory, listing)
	}
	switch {
	case err != nil:
		return &cmdline.UsageError{Err: err}
	case c.IsSet("image"):
		return runImage(c, binaries)
	}
	return copyOrList(c, binaries, directory, listing)
}

// copyOrList copies the binaries into a directory, or lists what it would copy.
func copyOrList(c *cli.Context, binaries []string, directory string, listing bool) error {
	linker, err := newLinker(c.String("root"), c.String("library-path"))
	if err != nil {
		return err
	}
	closures, data, err := programs(linker, binaries)
	if err != nil {
		return err
	}
	own := directory
	if c.IsSet("image") {
		own = filepath.Dir(directory) // the temporary directory with the jail
	}
	e := &extras{
		linker: linker, root: c.String("root"), jail: inside(own, c.String("root")),
	}
	for _, name := range data {
		e.notes = append(e.notes,
			name+" is neither an ELF file nor a script with a #! line: it is copied as "+
				"it is")
	}
	if err := e.addAll(closures, kinds(c),
		slices.Concat(data, c.StringSlice("also"))); err != nil {
		return err
	}
	p := newPlan(closures, e)
	p.temporary = c.IsSet("image")

	out := &output{
		w:     bufio.NewWriter(cmdline.Stdout),
		quiet: c.Bool("quiet") || c.Bool("json"),
	}
	if !listing {
		// A reader of the output that has gone away is no reason to stop in the middle.
		signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
		err = write(linker, p, directory, c.Bool("no-clobber"), out)
		if stopped(err) != nil {
			return err
		}
	}
	switch {
	case c.Bool("json"):
		err = errors.Join(err, out.json(closures, p))
	case c.Bool("tree"):
		out.tree(closures, p)
	case c.Bool("list"):
		out.list(p)
	}
	out.w.Flush() // cmdline.Run reports what can't be written
	for _, note := range p.notes {
		if c.Bool("quiet") {
			break
		}
		fmt.Fprintf(os.Stderr, "binlibdepcp: note: %s\n", short(cmdline.Printable(note)))
	}
	return errors.Join(append(slices.Clone(p.problems), err)...)
}

// inside returns the real path of the directory to copy to, or "" if nothing can lie
// in it yet: it isn't there, or the files are another tree's.
func inside(directory, root string) string {
	if directory == "" || root != "" {
		return ""
	}
	dir, err := filepath.Abs(directory)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return ""
	}
	return dir
}

var errEmpty = errors.New("a path is empty")

// check returns what is wrong with the command line.
func check(c *cli.Context, binaries []string, directory string, listing bool) error {
	for _, word := range c.Args().Slice() {
		if strings.HasPrefix(word, "-") && !slices.Contains(os.Args, "--") {
			return fmt.Errorf("options come first: %s", word)
		}
		if word == "" {
			return errEmpty
		}
	}
	if slices.Contains(c.StringSlice("also"), "") {
		return errEmpty // it would lead to the working directory
	}
	for _, what := range kinds(c) {
		if !slices.Contains(extraNames, what) {
			return fmt.Errorf("--with takes %s, not %q",
				strings.Join(extraNames, ", "), what)
		}
	}
	switch {
	// these alone are enough
	case (listing || directory != "" || c.IsSet("image")) &&
		len(c.StringSlice("also")) > 0:
	case len(binaries) == 0 && c.IsSet("image"):
		return errors.New("--image takes a binary, or the directory of a jail")
	case len(binaries) == 0 && !listing:
		return errors.New(
			"it takes a binary and the directory to copy to; or --list and a binary")
	case len(binaries) == 0:
		return errors.New("no binary")
	}
	return nil
}

// kinds returns the values of --with.
func kinds(c *cli.Context) (all []string) {
	for _, list := range c.StringSlice("with") {
		all = append(all, strings.Split(list, ",")...)
	}
	return all
}

func newLinker(root, libraryPath string) (*ldso.Linker, error) {
	view, dir := ldso.Host(), "/"
	if root != "" {
		var err error
		if view, err = ldso.Below(root); err != nil {
			return nil, err
		}
	} else if wd, err := os.Getwd(); err == nil {
		dir = wd
	}
	linker := ldso.New(view, dir)
	linker.LibraryPath = libraryPath
	return linker, nil
}

// programs returns the closures of all binaries, and those names that lead to data, or
// what is wrong with any of these.
func programs(linker *ldso.Linker, binaries []string) (list []*ldso.Closure,
	data []string, err error,
) {
	if len(binaries) > 50 {
		debug.SetGCPercent(400) // what is read is kept: collections would find nothing
		linker.Preload(binaries)
	}
	var errs []error
	for _, name := range binaries {
		c, err := program(linker, name)
		switch {
		case err == nil:
			list = append(list, c)
		case errors.Is(err, errData):
			data = append(data, name)
		default:
			errs = append(errs, err)
		}
	}
	return list, data, errors.Join(errs...)
}

// errCommand is the error of a name that leads to no program.
var errCommand = errors.New("neither in " + strings.Join(ldso.SearchPath,
	":") + " nor here")

// program returns the closure of a binary: of a path, or of the name of a command.
func program(linker *ldso.Linker, name string) (*ldso.Closure, error) {
	if !strings.Contains(name, "/") {
		found := linker.LookPath(name)
		if _, err := linker.Place(name); found == "" && errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("%s: %w", name, errCommand)
		}
		name = cmp.Or(found, name)
	}
	closure, err := linker.Closure(name)
	if (errors.Is(err, ldso.ErrMagic) || errors.Is(err, ldso.ErrShort)) &&
		!isELF(linker, name) {
		err = errData
	}
	return closure, err
}

// errData is the error of a file that is neither an ELF file nor a script.
var errData = errors.New("neither an ELF file nor a script with a #! line")

// isELF reports whether a file begins as an ELF file does, even if the rest is damaged.
func isELF(linker *ldso.Linker, name string) bool {
	place, err := linker.Place(name)
	if err != nil {
		return false
	}
	f, err := linker.Open(place)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, len(elf.ELFMAG))
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == elf.ELFMAG
}
