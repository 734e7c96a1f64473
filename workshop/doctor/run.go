//go:build linux

package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// The time that a probe or a command may take follows the speed of the machine, which the
// first probe tells. That one has the longest time.
const (
	shortest = time.Second
	longest  = 30 * time.Second
	slower   = 20 // times than the first probe
)

// prefix makes a plain user root of a user namespace.
const prefix = "unshare --user --map-root-user"

// A failure is what a probe met: an operation on an object, and the errno, or a text
// where there is none.
type failure struct {
	Op     string        `json:"op"`
	Object string        `json:"object"`
	Errno  syscall.Errno `json:"errno"`
	Text   string        `json:"text"`
}

func (f *failure) Error() string {
	text := f.Text
	if text == "" {
		text = f.Errno.Error()
	}
	return cmdline.Printable(strings.TrimSpace(f.Op+" "+f.Object) + ": " + text)
}

func (f *failure) is(op string, errno syscall.Errno) bool {
	return f != nil && f.Op == op && f.Errno == errno
}

// failed turns an error of linux.Failed, or another one, into a failure; nil stays nil.
func failed(err error) *failure {
	var path *fs.PathError
	var errno syscall.Errno
	var own *failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &path) && errors.As(err, &errno):
		return &failure{Op: path.Op, Object: path.Path, Errno: errno}
	case errors.As(err, &errno):
		return &failure{Op: "try", Errno: errno}
	}
	return &failure{Op: "try", Text: err.Error()}
}

// results has for each name what was met, nil if nothing was.
type results map[string]*failure

// An examination is all that was found out: in this user namespace and, where that won't
// do, as root of a new one.
type examination struct {
	direct   results
	user     results // nil if it wasn't tried
	prefix   *failure
	commands results
	host     host
}

// examine tries one thing after the other: all at once, they would take up the processes
// and namespaces that a step may have, and the time of a slow machine.
func examine() examination {
	e := examination{host: gather()}
	if f := spare(); f != nil {
		e.fail(f)
		return e
	}
	start := time.Now()
	first := probes[0].run(longest)
	limit := min(max(shortest, slower*time.Since(start)), longest)
	e.direct = tryAll(limit)
	e.direct[probes[0].name] = first[probes[0].name]
	refused := func(p probe) bool {
		return p.flags != user.flags && e.direct[p.name].is("clone", unix.EPERM)
	}
	if slices.ContainsFunc(probes, refused) {
		e.prefix = tryPrefix(limit)
		e.user = user.run(limit * time.Duration(len(probes)+1))
	}
	e.commands = tryCommands(limit)
	return e
}

// spare returns what is met if there aren't the descriptors for a probe. Without them,
// the Go runtime would end this program at its first timer.
func spare() *failure {
	const needed = 8
	for range needed {
		fd, err := unix.MemfdCreate("doctor", unix.MFD_CLOEXEC)
		if err != nil {
			return failed(linux.Failed("memfd_create", "for a child", err))
		}
		defer unix.Close(fd)
	}
	return nil
}

// fail lets everything have failed in the same way.
func (e *examination) fail(f *failure) {
	e.direct, e.commands = results{}, results{}
	for _, name := range probeNames() {
		e.direct[name] = f
	}
	for _, name := range append(commandNames(), programNames()...) {
		e.commands[name] = f
	}
}

func tryAll(limit time.Duration) results {
	found := results{}
	for _, p := range probes {
		found[p.name] = p.run(limit)[p.name]
	}
	return found
}

// The kernel takes a moment to free the namespaces of the probe before, which count until
// then: so what meets a limit is tried some times.
const (
	tries = 50
	pause = 20 * time.Millisecond
)

// run clones this program into the namespaces of the probe and returns what it found
// there, for the probe itself or, as user does, for more.
func (p *probe) run(limit time.Duration) (found results) {
	for range tries {
		found = p.once(limit)
		if !found[p.name].is("clone", unix.ENOSPC) || noneAllowed(p.flags) {
			break
		}
		time.Sleep(pause)
	}
	return found
}

// tryPrefix makes a user namespace as a person would.
func tryPrefix(limit time.Duration) (f *failure) {
	for range tries {
		f = runCommand(limit, "unshare", strings.Fields(prefix+" true")...)
		if f == nil || errno(f.Text) != unix.ENOSPC || noneAllowed(user.flags) {
			break
		}
		time.Sleep(pause)
	}
	return f
}

// noneAllowed reports whether the limit of one of the namespaces is 0.
func noneAllowed(flags uintptr) bool {
	return slices.ContainsFunc(linux.Kinds, func(k linux.Kind) bool {
		limit := strings.TrimSpace(read("/proc/sys/user/max_" + k.File + "_namespaces"))
		return flags&k.Flag != 0 && limit == "0"
	})
}

func (p *probe) once(limit time.Duration) results {
	// PDEATHSIG comes when the thread that cloned ends, not the process: prctl(2).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, stderr, err := memory()
	if err != nil {
		return results{p.name: failed(err)}
	}
	defer out.Close()
	defer stderr.Close()
	cmd := p.command(ctx, limit/time.Duration(len(probes)+1))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = out, out, stderr
	const none = -2 // as soon as there is a child, something else is stored
	pidfd := none
	cmd.SysProcAttr.PidFD = &pidfd
	err = cmd.Start()
	if pidfd >= 0 {
		defer unix.Close(pidfd)
	}
	if err != nil {
		return results{p.name: p.refused(failed(err), pidfd != none)}
	}
	err = cmd.Wait()
	found := results{}
	switch {
	case ctx.Err() != nil:
		return results{p.name: slow("probe", p.name, limit)}
	case err == nil && json.Unmarshal(contents(out), &found) == nil:
		if _, ok := found[p.name]; ok {
			return found
		}
	}
	return results{p.name: crashed("probe", p.name, err, contents(stderr))}
}

// command is this program as the probe's child, with the time that its own children have.
func (p *probe) command(ctx context.Context, limit time.Duration) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", subcommand, "--probe", p.name,
		"--limit", fmt.Sprint(limit))
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: p.flags, Pdeathsig: unix.SIGKILL}
	if p.flags&unix.CLONE_NEWUSER != 0 {
		// Go writes "deny" to setgroups before the gid_map: user_namespaces(7).
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{
			{HostID: os.Getuid(), Size: 1},
		}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{
			{HostID: os.Getgid(), Size: 1},
		}
	}
	return cmd
}

// refused names the operation that failed: clone(2), or execve(2) in a child that was
// cloned. AppArmor lets a user namespace be cloned, and forbids its map.
func (p *probe) refused(f *failure, cloned bool) *failure {
	f.Op, f.Object = "clone", cmp.Or(linux.FlagNames(p.flags), "child")
	if cloned && (p.flags&unix.CLONE_NEWUSER == 0 || f.Errno != unix.EPERM) {
		f.Op, f.Object = "re-execute", "/proc/self/exe"
	}
	return f
}

// crashed is what a program met that ended without a result. The Go runtime ends if the
// kernel allows no thread: it prints the errno, and no code of the program runs.
func crashed(op, object string, err error, stderr []byte) *failure {
	f := &failure{Op: op, Object: object, Text: firstLine(stderr)}
	if strings.HasPrefix(f.Text, "runtime: failed to create new OS thread") &&
		strings.HasSuffix(f.Text, "errno=11)") {
		return &failure{Op: "clone", Object: "thread", Errno: unix.EAGAIN}
	}
	if f.Text == "" {
		f.Text = fmt.Sprint("no result: ", err)
	}
	return f
}

func slow(op, object string, limit time.Duration) *failure {
	return &failure{
		Op: op, Object: object, Errno: unix.ETIMEDOUT,
		Text: fmt.Sprintf("not done within %v", limit.Round(100*time.Millisecond)),
	}
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}

// memory returns two files in memory for what a child writes, memfd_create(2): unlike a
// pipe they have no other end, which something that the child has started could hold
// open. One is the child's empty input too: /dev/null may be missing, which no step
// needs.
func memory() (out, stderr *os.File, err error) {
	var files [2]*os.File
	for i := range files {
		fd, err := unix.MemfdCreate("doctor", unix.MFD_CLOEXEC)
		if err != nil {
			files[0].Close()
			return nil, nil, linux.Failed("memfd_create", "for a child", err)
		}
		files[i] = os.NewFile(uintptr(fd), "memory")
	}
	return files[0], files[1], nil
}

func contents(f *os.File) []byte {
	text := make([]byte, 64<<10)
	n, _ := f.ReadAt(text, 0)
	return text[:n]
}

// child is the probe's side of run.
func child(name string, limit time.Duration) (results, error) {
	if name == user.name {
		found := tryAll(limit)
		found[name] = nil
		return found, nil
	}
	for _, p := range probes {
		if p.name == name {
			return results{name: failed(p.try())}, nil
		}
	}
	return nil, fmt.Errorf("no such probe: %s", name)
}

// tryCommands runs the commands, and the programs of this suite.
func tryCommands(limit time.Duration) results {
	found := results{}
	for _, c := range commands {
		file := c.name
		if c.name == golang { // it is typed on the host
			file = cmp.Or(lookPath(golang, os.Getenv("PATH")), golang)
		}
		argv := append([]string{c.name}, strings.Fields(c.args)...)
		found[c.name] = runCommand(limit, file, argv...)
	}
	for _, name := range programNames() {
		args := []string{name, "--help"}
		if name == jailer {
			args = []string{name, "-l", "/bin/sh"}
		}
		found[name] = runCommand(limit, filepath.Join(programDir(), name), args...)
	}
	return found
}

// programDir is the directory of this program, and of the others of the suite.
func programDir() string {
	self, err := os.Executable()
	if err != nil { // without a /proc
		self, _ = exec.LookPath(os.Args[0])
	}
	return filepath.Dir(self)
}

// runCommand runs a command as a step would: found in the same directories, with
// nothing of this environment. The first argument is the command's own name.
func runCommand(limit time.Duration, file string, argv ...string) *failure {
	if !strings.Contains(file, "/") {
		found := lookPath(file, cmdline.Path)
		if found == "" {
			return &failure{Op: "find", Object: file, Errno: unix.ENOENT}
		}
		file = found
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, stderr, err := memory()
	if err != nil {
		return failed(err)
	}
	defer out.Close()
	defer stderr.Close()
	cmd := exec.CommandContext(ctx, file)
	cmd.Args = argv
	cmd.Dir = "/" // not that of a Go module, which may ask for another Go
	cmd.Env = []string{"PATH=" + cmdline.Path, "LC_ALL=C"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stderr, out, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { // its children too
		return unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return slow("run", argv[0], limit)
	case errors.As(err, &exit):
		f := crashed(strings.Join(argv, " "), "", exit, contents(stderr))
		f.Text = strings.TrimPrefix(f.Text, argv[0]+": ")
		return f
	}
	f := failed(err)
	f.Op, f.Object = "run", file
	return f
}

// lookPath returns the file that execvp(3) would execute, or "".
func lookPath(name, path string) string {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file
		}
	}
	return ""
}
