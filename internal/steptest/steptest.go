//go:build linux

// Package steptest runs the tests of the steps: through the built programs, on a host
// of their own, which is compared before and after.
//
// That host is a set of new namespaces around the test program itself (MNT, UTS, IPC
// and NET, and USER for those who aren't root), with all mounts shared as systemd has
// them, and a message queue file system to look at. So a leak shows, and the real host
// is left alone.
package steptest

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/internal/linux"
)

// hostEnv tells the test program that it is on its host, or why it can't be.
const (
	hostEnv    = "NSTEPS_TEST_HOST"
	refusedEnv = "NSTEPS_TEST_REFUSED"
	coverEnv   = "NSTEPS_COVER"    // directory for the coverage data of the built programs
	binEnv     = "NSTEPS_TEST_BIN" // directory of programs that are built
)

var (
	bin    string // the directory of the built programs
	mqueue string // where the message queue file system of the host is mounted
)

// Bin returns the path of a built program.
func Bin(program string) string { return filepath.Join(bin, program) }

// Module returns the directory of go.mod, relative to the package that is tested.
func Module() string {
	dir := "."
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || len(dir) > 60 {
			return dir
		}
		dir = filepath.Join("..", dir)
	}
}

// LockChapters keeps other tests from executing chapters until the end of this one: the
// chapters look for their processes on the host, by their names.
func LockChapters(t *testing.T) {
	t.Helper()
	lockFile(t, "docs/embed.go")
}

// LockCgroups keeps other tests from leaving cgroups, and from looking for them, until
// the end of this one: workshop cleanup looks everywhere.
func LockCgroups(t testing.TB) {
	t.Helper()
	lockFile(t, "internal/steptest/cgroup.go")
}

func lockFile(t testing.TB, name string) {
	t.Helper()
	file, err := os.Open(filepath.Join(Module(), name))
	if err == nil {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
}

// Queues returns the names of the host's POSIX message queues.
func Queues() []string { return list(mqueue) }

// Steps returns the directories of all steps, and of other programs, for Main.
func Steps(others ...string) (programs []string) {
	for _, step := range nsteps.Steps {
		programs = append(programs, step.Dir)
	}
	return append(programs, others...)
}

// Main builds programs of this module, given by their directories, enters the host
// and runs the tests there. It exits.
func Main(m *testing.M, programs ...string) {
	flag.Parse()
	_ = flag.Set("test.parallel", "1") // the host is compared around each test
	os.Exit(run(m, programs))
}

func run(m *testing.M, programs []string) int {
	if os.Getenv(hostEnv) == "" && os.Getenv(refusedEnv) == "" {
		if dir := linux.TempDir(); dir != os.TempDir() {
			os.Setenv("TMPDIR", dir)
		}
		dir, err := os.MkdirTemp("", "steptest")
		if err != nil {
			return fail(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil { // for the tests as a plain user
			return fail(err)
		}
		if err := provide(append(programs, "internal/steptest/jailed"), dir); err != nil {
			return fail(err)
		}
		status, err := enter(hostEnv + "=" + dir)
		if err != nil {
			fmt.Fprintf(os.Stderr,
				"\n*** SKIPPED: all tests that need namespaces: this user may not "+
					"make a user namespace: %v\n\n", err)
			cmd := self(refusedEnv + "=" + err.Error())
			err := cmd.Run()
			return cmd.ProcessState.ExitCode() |
				btoi(cmd.ProcessState == nil && err != nil)
		}
		return status
	}
	if bin = os.Getenv(hostEnv); bin != "" {
		if err := settle(); err != nil {
			return fail(err)
		}
	}
	return m.Run()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "steptest:", err)
	return 1
}

// provide puts programs into a directory. It copies what $NSTEPS_TEST_BIN has: make test
// builds the programs once for all packages, and a guest of internal/matrix has no Go. It
// builds the others.
func provide(programs []string, dir string) error {
	built := os.Getenv(binEnv)
	if built == "" {
		return build(programs, dir)
	}
	var others []string
	for _, program := range programs {
		name := strings.ReplaceAll(program, "/", "-")
		if filepath.Dir(program) == "beyond" { // as make build names it
			name = filepath.Base(program)
		}
		text, err := os.ReadFile(filepath.Join(built, name))
		if errors.Is(err, os.ErrNotExist) {
			others = append(others, program)
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(program)), text, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return build(others, dir)
}

// build builds programs as the Makefile does, but for the coverage asked for.
func build(programs []string, dir string) error {
	if len(programs) == 0 {
		return nil
	}
	args := []string{
		"build", "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_docs",
		"-ldflags", "-s -w -buildid=", "-o", dir + "/",
	}
	if os.Getenv(coverEnv) != "" {
		args = append(args, "-cover", "-coverpkg", "nsteps/...")
	}
	for _, program := range programs {
		args = append(args, "nsteps/"+program)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %q: %w\n%s", programs, err, out)
	}
	return nil
}

func self(env string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// enter runs this program in the namespaces of the host. The error is that of clone(2).
func enter(env string) (status int, err error) {
	cmd := self(env)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
			unix.CLONE_NEWNET,
		Pdeathsig: unix.SIGKILL,
	}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{
			ContainerID: 0,
			HostID:      uid, Size: 1,
		}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{
			ContainerID: 0,
			HostID:      os.Getgid(), Size: 1,
		}}
	}
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// settle makes the new namespaces look like a host.
func settle() error {
	if dir := os.Getenv(coverEnv); dir != "" {
		os.Setenv("GOCOVERDIR", dir)
	}
	// A plain user's PATH may have no directory with chroot(1) and sysctl(8) in it.
	os.Setenv("PATH", bin+":"+os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	mqueue = filepath.Join(bin, "mqueue")
	if err := os.Mkdir(mqueue, 0o755); err != nil {
		return err
	}
	// Some machines keep pseudo-terminals from plain users: here they get their own.
	if file, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
		file.Close()
	} else if err := unix.Mount(
		"devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666"); err != nil {
		return fmt.Errorf("mount devpts: %w", err)
	}
	steps := []struct {
		what string
		err  error
	}{
		{"share mounts", unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")},
		{"share mounts", unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")},
		{"mount mqueue", unix.Mount("mqueue", mqueue, "mqueue", 0, "")},
		{"mount /dev/shm", unix.Mount("tmpfs", "/dev/shm", "tmpfs",
			unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")},
		{"sethostname", unix.Sethostname([]byte("host"))},
		// What a step leaves behind becomes a child of this process.
		{"prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)},
	}
	for _, step := range steps {
		if step.err != nil {
			return fmt.Errorf("%s: %w", step.what, step.err)
		}
	}
	return nil
}

// NeedsHost skips a test, loudly, where namespaces are refused. Otherwise it compares
// the host before and after the test.
func NeedsHost(t testing.TB) {
	t.Helper()
	if why := os.Getenv(refusedEnv); why != "" {
		t.Skipf("SKIPPED: needs namespaces, and this user may not make them: %s", why)
	}
	before := Snapshot()
	t.Cleanup(func() { Compare(t, before) })
}

// Snapshot describes what the steps may not change on the host, by line.
func Snapshot() string {
	var b strings.Builder
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	fmt.Fprintf(&b, "hostname %s", read("/proc/sys/kernel/hostname"))
	fmt.Fprintf(&b, "queues %q\n", Queues())
	links, err := net.Interfaces()
	fmt.Fprintf(&b, "links %v %v\n", links, err)
	fmt.Fprintf(&b, "System V queues %s", read("/proc/sysvipc/msg"))
	fmt.Fprintf(&b, "processes %q\n", children())
	fmt.Fprintf(&b, "mounts\n%s", read("/proc/self/mountinfo"))
	return b.String()
}

// Compare fails the test if the host isn't as it was. What is killed may take a moment
// to end.
func Compare(t testing.TB, before string) {
	t.Helper()
	var after string
	for range 100 {
		if after = Snapshot(); after == before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the host has changed:\n%s%s", only("- ", before, after),
		only("+ ", after, before))
}

// only returns the lines of text that aren't in other.
func only(mark, text, other string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(other, line) {
			b.WriteString(mark + line)
		}
	}
	return b.String()
}

// children returns the command lines of this process's children that haven't ended.
func children() (commands []string) {
	all, _ := linux.Processes()
	for pid, p := range all {
		if p.Parent == os.Getpid() && !p.Zombie {
			line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
			commands = append(commands, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	sort.Strings(commands)
	return commands
}

func list(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Scripts runs the scripts of testdata, and those that hold for every step, with the
// step's name in $STEP.
func Scripts(t *testing.T, step string) {
	for name, dir := range map[string]string{
		"own":    "testdata",
		"common": filepath.Join(Module(), "internal/steptest/testdata"),
	} {
		t.Run(name, func(t *testing.T) { ScriptsIn(t, dir, "STEP", step) })
	}
}

// ScriptsIn runs the scripts of a directory, see Params.
func ScriptsIn(t *testing.T, dir string, variables ...string) {
	NeedsHost(t)
	testscript.Run(t, Params(dir, variables...))
}

// Params are those of the scripts of a directory, with the directory of the built
// programs in $BIN, and with other variables, each a name and a value.
func Params(dir string, variables ...string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			for i := 0; i+1 < len(variables); i += 2 {
				e.Setenv(variables[i], variables[i+1])
			}
			e.Setenv("BIN", bin)
			e.Setenv("GOCOVERDIR", os.Getenv("GOCOVERDIR"))
			before := Snapshot()
			e.Defer(func() { Compare(e.T().(testing.TB), before) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool,
			[]string){"status": status},
		Condition: condition,
	}
}

// status is the command "status N program [arg...]" of a script: the program has to
// exit with that status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program [arg...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, not %s", got, args[0])
	}
}

// condition says that [root] holds for the root of the initial user namespace,
// [kernel:5.11] for Linux 5.11 and newer, and [cgroup:memory:2] if version 2 of cgroups
// has this controller.
func condition(cond string) (bool, error) {
	if cond == "root" {
		return linux.InInitialUser(), nil
	}
	if wanted, ok := strings.CutPrefix(cond, "cgroup:"); ok {
		return hasCgroup(wanted)
	}
	var major, minor int
	if _, err := fmt.Sscanf(cond, "kernel:%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	return Kernel(major, minor), nil
}

// Kernel reports whether this is Linux major.minor or newer.
func Kernel(major, minor int) bool { return linux.Since(major, minor) }
