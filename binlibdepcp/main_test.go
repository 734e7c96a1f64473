//go:build linux

package main

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "binlibdepcp", "step6-chroot") }

// TestScripts runs the scripts of testdata. Each builds what it is about, copies it into
// a jail, and runs it there.
func TestScripts(t *testing.T) {
	steptest.NeedsHost(t)
	params := steptest.Params("testdata", "LC_ALL", "C")
	setup := params.Setup
	params.Setup = func(e *testscript.Env) error {
		e.Values[testKey{}] = e.T()
		// Some scripts run a part of themselves as a plain user.
		return errors.Join(setup(e), os.Chmod(e.WorkDir, 0o755),
			os.Chmod(filepath.Dir(e.WorkDir), 0o755))
	}
	maps.Copy(params.Cmds, map[string]func(*testscript.TestScript, bool, []string){
		"needs":     needs,
		"likeldso":  likeLdso,
		"sameinode": sameInode,
		"retag":     retag,
		"tmpfs":     tmpfs,
		"validjson": validJSON,
		"fill":      fill,
	})
	testscript.Run(t, params)
}

// testKey is the key of the testing.T of a script.
type testKey struct{}

// missing returns what a test needs and this machine lacks. Of the names, m32 is a gcc
// that makes 32-bit programs which this kernel runs, x86-64-v2 a level of the CPU; others
// with a slash are files, and without one commands.
func missing(names []string) (lacks []string) {
	for _, name := range names {
		var err error
		switch {
		case name == "m32":
			err = buildAndRun("int main(void) { return 0; }", "-m32")
		case name == "x86-64-v2": // the level of the CPU
			err = buildAndRun(
				`int main(void) { return !__builtin_cpu_supports("sse4.2"); }`)
		case strings.Contains(name, "/"):
			_, err = os.Stat(name)
		default:
			_, err = exec.LookPath(name)
		}
		if err != nil {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

func buildAndRun(source string, flags ...string) error {
	dir, err := os.MkdirTemp("", "needs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cc := exec.Command("gcc", append(flags, "-x", "c", "-o", dir+"/a", "-")...)
	cc.Stdin = strings.NewReader(source)
	if err := cc.Run(); err != nil {
		return err
	}
	return exec.Command(dir + "/a").Run()
}

// needs is the command "needs tool..." of a script: the rest is skipped, loudly, if one
// isn't there. For the names, see missing.
func needs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: needs tool...")
	}
	if lacks := missing(args); lacks != nil {
		why := "SKIPPED: needs " + strings.Join(lacks, ", ")
		fmt.Fprintf(os.Stderr, "\n*** %s: %s\n\n", ts.Name(), why)
		ts.Value(testKey{}).(testscript.T).Skip(why)
	}
}

// likeLdso is the command "likeldso program [variant...]" of a script: the program's
// dynamic linker has to name the same paths as binlibdepcp, and the same names as not
// found, but for the variants: these are for other CPUs than this one. It is asked as
// ldd(1) does, which executes the interpreter: this is for what the test has built. But
// ldd hands it the path where it is one for programs that execve(2) has not seen, so that
// $ORIGIN isn't what it is in a run. The variable LIBRARY_PATH of the script is what both
// get as LD_LIBRARY_PATH.
func likeLdso(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: likeldso program [variant...]")
	}
	run := func(program string, args ...string) []byte {
		cmd := exec.Command(program, args...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "LC_ALL=C",
			"LD_LIBRARY_PATH="+ts.Getenv("LIBRARY_PATH"))
		if args == nil {
			cmd.Env = append(cmd.Env, "LD_TRACE_LOADED_OBJECTS=1")
		}
		out, _ := cmd.Output() // it fails if something isn't found
		return out
	}
	program := ts.MkAbs(args[0])
	var report jsonReport
	ts.Check(json.Unmarshal(run("binlibdepcp", "--library-path",
		ts.Getenv("LIBRARY_PATH"), "--json", "-l", program), &report))
	var got, want []string
	for _, o := range report.Programs[0].Objects[1:] {
		isVariant := slices.ContainsFunc(args[1:],
			func(v string) bool { return strings.HasSuffix(o.Path, v) })
		if !isVariant && o.Extra == "" {
			got = append(got, o.Path)
		}
	}
	for _, problem := range report.Programs[0].Problems {
		got = append(got, problem.Name+" => not found")
	}
	want = loaderPaths(string(run(program)), ts.MkAbs("."))
	// It names itself only where something needs it, as libc does.
	got = slices.DeleteFunc(got, func(path string) bool {
		return path == report.Programs[0].Objects[1].Path && !slices.Contains(want, path)
	})
	for _, paths := range [][]string{got, want} {
		for i := range paths { // for "." in a search path, ld.so writes nothing
			paths[i] = strings.ReplaceAll(paths[i], "/./", "/")
		}
		slices.Sort(paths)
	}
	if len(want) == 0 || !slices.Equal(got, want) {
		ts.Fatalf("binlibdepcp: %q\n      ld.so: %q", got, want)
	}
}

// loaderPaths returns the paths that the dynamic linker prints, and the names that it
// hasn't found. It prints a path without a slash for one in the working directory.
func loaderPaths(out, dir string) (paths []string) {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		name, path, ok := strings.Cut(line, " => ")
		if !ok {
			path = name
		}
		path, _, _ = strings.Cut(path, " (0x")
		if path == "not found" {
			path = line
		}
		switch {
		case strings.HasPrefix(path, "linux-"): // the vdso(7)
		case path == line || strings.HasPrefix(path, "/"):
			paths = append(paths, path)
		default:
			paths = append(paths, dir+"/"+path)
		}
	}
	return paths
}

// sameInode is the command "[!] sameinode file file" of a script. Symbolic links are
// followed.
func sameInode(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] sameinode file file")
	}
	a, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if os.SameFile(a, b) == neg {
		ts.Fatalf("the same inode: %v", neg)
	}
}

// retag is the command "retag file DT_FROM DT_TO" of a script. It turns an entry of the
// dynamic section, whose value is a string, into another that linkers don't write there.
func retag(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: retag file DT_FROM DT_TO")
	}
	tags := map[string]elf.DynTag{
		"DT_AUDIT": elf.DT_AUDIT, "DT_RUNPATH": elf.DT_RUNPATH,
		"DT_RPATH": elf.DT_RPATH, "DT_AUXILIARY": elf.DT_AUXILIARY,
		"DT_NEEDED": elf.DT_NEEDED,
	}
	name := ts.MkAbs(args[0])
	f, err := elf.Open(name)
	ts.Check(err)
	defer f.Close()
	b, err := os.ReadFile(name)
	ts.Check(err)
	dynamic := f.SectionByType(elf.SHT_DYNAMIC)
	for at := dynamic.Offset; at < dynamic.Offset+dynamic.Size; at += 16 {
		if f.ByteOrder.Uint64(b[at:]) == uint64(tags[args[1]]) {
			f.ByteOrder.PutUint64(b[at:], uint64(tags[args[2]]))
			ts.Check(os.WriteFile(name, b, 0o755))
			return
		}
	}
	ts.Fatalf("%s has no %s", args[0], args[1])
}

// tmpfs is the command "tmpfs directory size[,noexec][,nosuid]" of a script. It mounts
// one, or gives the one that is mounted another size; "ro" for the size makes it
// read-only. It is gone when the script ends.
func tmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs directory size[,noexec][,nosuid]|ro")
	}
	dir, flags := ts.MkAbs(args[0]), uintptr(0)
	size, rest, _ := strings.Cut(args[1], ",")
	options := "size=" + size
	if size == "ro" {
		flags, options = unix.MS_RDONLY, ""
	}
	for flag, bit := range map[string]uintptr{
		"noexec": unix.MS_NOEXEC,
		"nosuid": unix.MS_NOSUID,
	} {
		if slices.Contains(strings.Split(rest, ","), flag) {
			flags |= bit
		}
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
		ts.Check(unix.Mount("", dir, "", unix.MS_REMOUNT|flags, options))
		return
	}
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", flags, options))
	ts.Defer(func() { ts.Check(unix.Unmount(dir, unix.MNT_DETACH)) })
}

// fill is the command "fill jail program [program...]" of a script. It fills the jail as
// the note on the first program says, but without -q, so that a note that comes again
// is seen. In a user namespace nobody can make devices: it mounts them.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fill jail program [program...]")
	}
	jail, program := ts.MkAbs(args[0]), args[1]
	ts.Check(ts.Exec("binlibdepcp", "-l", program))
	note := regexp.MustCompile("header names: add (?:-q )?([^;\n]*)").FindStringSubmatch(
		ts.ReadFile("stderr"))
	if note == nil {
		ts.Fatalf("no note on %s: %s", program, ts.ReadFile("stderr"))
	}
	words := strings.Fields(note[1])
	var options []string
	devices := canMakeDevices(ts)
	for i := 0; i+1 < len(words); i += 2 {
		name := words[i+1]
		if devices || !strings.HasPrefix(name, "/dev/") {
			options = append(options, words[i], name)
			continue
		}
		target := filepath.Join(jail, name)
		ts.Check(os.MkdirAll(filepath.Dir(target), 0o755))
		ts.Check(os.WriteFile(target, nil, 0o666))
		ts.Check(unix.Mount(name, target, "", unix.MS_BIND, ""))
		ts.Defer(func() { ts.Check(unix.Unmount(target, unix.MNT_DETACH)) })
	}
	ts.Check(ts.Exec("binlibdepcp", slices.Concat(options, args[1:], []string{jail})...))
	if said := ts.ReadFile("stderr"); devices &&
		strings.Contains(said, "no header names") {
		ts.Fatalf("the note comes again: %s", said)
	}
}

func canMakeDevices(ts *testscript.TestScript) bool {
	name := ts.MkAbs("device")
	defer os.Remove(name)
	return unix.Mknod(name, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) == nil
}

// validJSON is the command "validjson" of a script: stdout is one JSON value.
func validJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: validjson")
	}
	if !json.Valid([]byte(ts.ReadFile("stdout"))) {
		ts.Fatalf("stdout is no JSON")
	}
}
