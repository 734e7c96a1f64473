//go:build linux

package common

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/job"
)

// Exec makes the child the command that stands after the options. It returns only if
// that fails, or, with nil, if there is no command. The command gets a new environment,
// with only TERM and HOME of the caller's. The command dies with the parent. It ignores
// only signals that nohup(1) or a shell told the step to ignore.
func Exec(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 {
		fmt.Fprintf(os.Stderr,
			"%s: namespaces are ready, but no command was given; try: %s\n",
			c.App.Name, cmdline.QuoteAll(append(slices.Clone(os.Args), "sh")))
		return nil
	}
	Childf(c, "executing %s", cmdline.QuoteAll(args))
	runtime.LockOSThread() // the mask and PDEATHSIG are those of this thread
	if err := job.ResetSignals(); err != nil {
		return err
	}
	// Again, in the thread that executes the command. The command dies with the parent,
	// unless it changes its credentials (prctl(2)).
	if err := dieWithParent(); err != nil {
		return err
	}
	if closed(socket()) {
		return errGone
	}
	trace := int(traces.Fd())
	if text := readTrace(trace); text != "" { // no trace: the runtime works
		fmt.Fprint(os.Stderr, text)
		_ = unix.Ftruncate(trace, 0)
	}
	if err := unix.Dup3(inherited().stderr, trace, 0); err != nil {
		return Failed("dup", "standard error", err)
	}
	return execvp(args, environment(c.App.Name))
}

// becomeReady has the child die with the parent before it is released. If the thread of
// the parent that cloned has ended before, no call tells: other threads of the parent may
// still hold the socket. So the child says that it is ready, and that thread answers. A
// child with a message queue lives on, because it removes the queue of a killed parent.
func becomeReady() error {
	if inherited().queue != "" {
		return nil
	}
	if err := dieWithParent(); err != nil {
		return err
	}
	hand(socket(), ready)
	return nil
}

// dieWithParent asks for SIGKILL when the thread of the parent ends that cloned this
// process.
func dieWithParent() error {
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err != nil {
		return Failed("prctl", "PR_SET_PDEATHSIG", err)
	}
	return nil
}

// execvp looks the command up in Path and executes it, as execvp(3) does: the search
// goes on after a file that may not be executed.
func execvp(args, env []string) error {
	if strings.Contains(args[0], "/") {
		return Failed("exec", args[0], unix.Exec(args[0], args, env))
	}
	failed := Failed("exec", args[0], unix.ENOENT)
	for _, dir := range filepath.SplitList(cmdline.Path) {
		file := filepath.Join(dir, args[0])
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		failed = Failed("exec", file, unix.Exec(file, args, env))
		if !errors.Is(failed, unix.EACCES) {
			break
		}
	}
	return failed
}

// environment returns the command's whole environment.
func environment(step string) []string {
	home, prompt := os.Getenv("HOME"), "$ "
	if os.Getuid() == 0 {
		home, prompt = "/root", "# "
	}
	env := []string{"PATH=" + cmdline.Path, "HOME=" + home, "PS1=" + step + prompt}
	if term, ok := os.LookupEnv("TERM"); ok {
		env = append(env, "TERM="+term)
	}
	return env
}
