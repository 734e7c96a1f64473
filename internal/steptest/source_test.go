//go:build linux

package steptest

import (
	"bytes"
	"cmp"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps"
)

var steps = numbered()

// numbered returns the names of the steps that have a number: those that take a command
// and need no other option.
func numbered() (names []string) {
	for _, step := range nsteps.Steps {
		if step.Number > 0 {
			names = append(names, step.Name)
		}
	}
	return names
}

func TestMain(m *testing.M) {
	Main(m, Steps("binlibdepcp", "internal/steptest/filter",
		"internal/steptest/beyond", "workshop")...)
}

func source(t *testing.T, step nsteps.Step) string {
	t.Helper()
	text, err := fs.ReadFile(nsteps.Sources, step.Source())
	require.NoError(t, err)
	return string(text)
}

// limits are how many lines a step may have more than its base, comments included. The
// first design had 43 for step 7, which now drops capabilities in the child too, and 44
// for step 14, which now refuses a clone(2) that makes namespaces.
var limits = map[string]int{
	"step2-mnt": 24, "step3-uts": 14, "step4-net": 8,
	"step5-ipc": 64, "step6-chroot": 34, "step7-user": 46,
	"step8-pivot": 58, "step9-dev": 67, "step10-overlay": 32, "step11-veth": 66,
	"step12-cgroup": 66,
	"step13-caps":   56, "step14-seccomp": 69, "step15-time": 35, "join": 73,
}

// replaced are how many lines of its base a step may replace, if these are many: join
// takes the place of each line that makes a namespace.
var replaced = map[string]int{"join": 12}

// A diff between neighbours shows the new namespace and nothing else: lines come, hardly
// any goes.
func TestNeighbours(t *testing.T) {
	for _, step := range nsteps.Steps {
		if step.Base == "" {
			continue
		}
		t.Run(step.Name, func(t *testing.T) {
			base, err := nsteps.Find(step.Base)
			require.NoError(t, err)
			require.Contains(t, limits, step.Name)
			before, after := source(t, base), source(t, step)
			added, removed := diff(t, before, after)
			assert.LessOrEqual(t, added-removed, limits[step.Name],
				"lines more than in %s", base.Name)
			assert.Positive(t, added)

			// Without the package comment, and the program's name.
			before = strings.ReplaceAll(before, base.Name, step.Name)
			_, removed = diff(t, code(before), code(after))
			assert.LessOrEqual(t, removed, cmp.Or(replaced[step.Name], 3),
				"lines of %s that go", base.Name)
		})
	}
}

// The diffs that the README links to are those of the sources: make diffs.
func TestDiffs(t *testing.T) {
	for _, step := range nsteps.Steps {
		if step.Base == "" {
			continue
		}
		base, err := nsteps.Find(step.Base)
		require.NoError(t, err)
		before, after := base.Source(), step.Source()
		cmd := exec.Command("diff", "-u", "--label", before, "--label",
			after, before, after)
		cmd.Dir = "../.."
		want, _ := cmd.Output()
		got, err := os.ReadFile("../../docs/diff/" + step.Name + ".diff")
		assert.NoError(t, err)
		assert.Equal(t, string(want), string(got), "make diffs writes it")
	}
}

// The demo shows all six steps, also without a terminal.
func TestDemo(t *testing.T) {
	NeedsHost(t)
	LockChapters(t)
	cmd := exec.Command("make", "-s", "-o", "build", "demo", "BIN="+bin)
	cmd.Dir = "../.."
	before := Snapshot()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	Compare(t, before)
	for _, step := range nsteps.Steps[:6] {
		assert.Contains(t, string(out), "\n"+step.Label()+" ")
		assert.Contains(t, string(out), "host# "+step.Name+" ")
	}
	for _, want := range []string{
		"\nWhat you have seen\n", "\nWhat to do next\n", "│ 1 0\n", "│ crate\n",
		"Network is unreachable", "\n/etc/passwd\n",
	} {
		assert.Contains(t, string(out), want)
	}
	assert.NotContains(t, string(out), "\x1b")
}

// No file is longer than 200 lines: of a step, and of what is below beyond/.
func TestLength(t *testing.T) {
	sources := os.DirFS("../..")
	files, err := fs.Glob(sources, "step*/main.go")
	require.NoError(t, err)
	require.NoError(t, fs.WalkDir(sources, "beyond",
		func(name string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				files = append(files, name)
			}
			return err
		}))
	require.Greater(t, len(files), len(nsteps.Steps))
	for _, name := range files {
		text, err := fs.ReadFile(sources, name)
		require.NoError(t, err)
		assert.LessOrEqual(t, strings.Count(string(text), "\n"), 200, name)
		if strings.HasPrefix(name, "step") {
			assert.LessOrEqual(t, strings.Count(code(string(text)), "\n"), 150,
				"%s, its code", name)
		}
		for n, line := range strings.Split(string(text), "\n") {
			columns := len([]rune(strings.ReplaceAll(line, "\t", "    ")))
			assert.Less(t, columns, 96, "%s:%d", name, n+1)
		}
	}
}

// code returns a source from its package clause on.
func code(text string) string { return text[strings.Index(text, "\npackage main\n")+1:] }

func diff(t *testing.T, before, after string) (added, removed int) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/before", []byte(before), 0o644))
	require.NoError(t, os.WriteFile(dir+"/after", []byte(after), 0o644))
	cmd := exec.Command("diff", "before", "after")
	cmd.Dir = dir
	out, _ := cmd.Output()
	require.LessOrEqual(t, cmd.ProcessState.ExitCode(), 1)
	for line := range strings.SplitSeq(string(out), "\n") {
		switch {
		case strings.HasPrefix(line, ">"):
			added++
		case strings.HasPrefix(line, "<"):
			removed++
		}
	}
	return added, removed
}

// The package comment is the manual: its usage and options are those of --help.
func TestManual(t *testing.T) {
	if bin == "" {
		t.Skip("SKIPPED: the programs weren't built")
	}
	comment := regexp.MustCompile(
		`(?s)// Usage:\n//\n//\t(.*?)\n//\n// Options:\n//\n(.*?)\n//\n`)
	for _, step := range nsteps.Steps {
		t.Run(step.Name, func(t *testing.T) {
			part := comment.FindStringSubmatch(source(t, step))
			require.NotNil(t, part)
			manual := "usage: " + part[1] + " options: " +
				strings.ReplaceAll(part[2], "//\t", "")
			help, err := exec.Command(Bin(step.Name), "--help").Output()
			require.NoError(t, err)
			first, rest, _ := strings.Cut(string(help), "\n\n")
			assert.Regexp(t, "^"+step.Name+": run a command ", first)
			assert.Equal(t, words(manual), words(rest))
		})
	}
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// A step imports little.
func TestImports(t *testing.T) {
	six := regexp.MustCompile(
		`^(github.com/urfave/cli/v2|golang.org/x/sys/unix|nsteps/common)$`)
	beyond := regexp.MustCompile(six.String() +
		`|^nsteps/beyond/internal/|^github.com/vishvananda/netlink$`)
	args := []string{"list", "-f", `{{.ImportPath}} {{join .Imports " "}}`}
	allowed := map[string]*regexp.Regexp{}
	for _, step := range nsteps.Steps {
		args = append(args, "nsteps/"+step.Dir)
		allowed["nsteps/"+step.Dir] = six
		if step.Beyond() {
			allowed["nsteps/"+step.Dir] = beyond
		}
	}
	out, err := exec.Command("go", args...).Output()
	require.NoError(t, err)
	require.Equal(t, len(nsteps.Steps), strings.Count(string(out), "\n"))
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		require.Contains(t, allowed, words[0])
		for _, path := range words[1:] {
			if strings.Contains(path, ".") || strings.HasPrefix(path, "nsteps") {
				assert.Regexp(t, allowed[words[0]], path, words[0])
			}
		}
	}
}

// The packages compile for other systems, where the programs explain themselves. To link
// the programs for all of them would take a minute.
func TestOtherSystems(t *testing.T) {
	for _, target := range []string{"darwin/arm64", "windows/amd64", "linux/arm64"} {
		system, machine, _ := strings.Cut(target, "/")
		cmd := exec.Command("go", "list", "-export", "./...") // compiles, and doesn't link
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s: %s", target, out)
	}
}

// What make builds are the programs of the list, and three more.
func TestMakefile(t *testing.T) {
	cmd := exec.Command("make", "-n", "build", "BIN=bin")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var built []string
	for word := range strings.FieldsSeq(string(out)) {
		if program, ok := strings.CutPrefix(word, "./"); ok {
			built = append(built, program)
		}
	}
	assert.ElementsMatch(t, Steps("beyond/bundle", "binlibdepcp", "workshop"), built)
}

// What make builds is the same to the byte as what the tests have built, and needs no
// libraries.
func TestBuild(t *testing.T) {
	if testing.Short() || bin == "" || os.Getenv(coverEnv) != "" {
		t.Skip("SKIPPED: -short, or the tests have built no such programs")
	}
	dir := t.TempDir()
	cmd := exec.Command("make", "-s", "build", "BIN="+dir)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, program := range Steps("binlibdepcp", "workshop") {
		name := filepath.Base(program)
		first, err := os.ReadFile(Bin(name))
		require.NoError(t, err)
		second, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(first, second), "two builds of %s differ", name)
	}
	file, err := os.ReadFile(dir + "/step6-chroot")
	require.NoError(t, err)
	assert.False(t, bytes.Contains(file, []byte("/ld-linux")),
		"a static program has no interpreter")
}

// Each stored solution of an exercise fits its step. make exercises runs them.
func TestSolutions(t *testing.T) {
	solutions, err := filepath.Glob("../../docs/solution/*.diff")
	require.NoError(t, err)
	// Step 6 has two, and bundle one. That of container is a program.
	assert.Len(t, solutions, len(nsteps.Steps)+1)
	changed := regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)
	for _, solution := range solutions {
		name, err := filepath.Abs(solution)
		require.NoError(t, err)
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		dir := t.TempDir()
		files := changed.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, files, solution)
		for _, file := range files {
			before, err := os.ReadFile("../../" + file[1])
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Dir(dir+"/"+file[1]), 0o755))
			require.NoError(t, os.WriteFile(dir+"/"+file[1], before, 0o644))
		}
		apply := exec.Command("git", "apply", name)
		apply.Dir = dir
		apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
		out, err := apply.CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, file := range files {
			checkSolved(t, dir+"/"+file[1])
		}
	}
}

// checkSolved checks the form of a file to which a solution was applied.
func checkSolved(t *testing.T, file string) {
	t.Helper()
	solved, err := os.ReadFile(file)
	require.NoError(t, err)
	formatted, err := format.Source(solved)
	require.NoError(t, err)
	assert.Equal(t, string(formatted), string(solved), file)
	for line := range strings.Lines(string(solved)) {
		columns := len([]rune(strings.ReplaceAll(line, "\t", "    ")))
		assert.LessOrEqual(t, columns, 96, "%s: %s", file, line)
	}
}
