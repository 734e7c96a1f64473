//go:build linux

package ldso

import (
	"debug/elf"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every ELF program and library of the host has the closure that ldd(1) prints. It is
// the oracle here, and only here, and only for files that the distribution brought.
func TestLdd(t *testing.T) {
	if _, err := exec.LookPath("ldd"); err != nil {
		t.Skipf("SKIPPED: needs ldd to compare with: %v", err)
	}
	l := New(Host(), "/")
	program, err := l.Closure("/bin/true")
	require.NoError(t, err)
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/lib"} {
		t.Run(dir, func(t *testing.T) {
			files := elfFiles(t, dir)
			if len(files) == 0 && dir != "/usr/libexec" {
				t.Fatal("no ELF file")
			}
			pairs, refused := 0, 0
			for file, want := range ldd(program.Program.Interp, files) {
				got := ours(t, l, file)
				pairs += len(got)
				if want != nil {
					assert.Equal(t, want, got, file)
					// not static: this kernel doesn't run x32, or 32-bit programs
				} else if len(got) > 0 {
					refused++
				}
			}
			t.Logf("%d files, %d pairs, %d not for ldd here", len(files), pairs, refused)
			assert.Less(t, refused, 10)
		})
	}
}

// elfFiles returns the dynamic programs and libraries below a directory that this
// machine can run.
func elfFiles(t *testing.T, dir string) (files []string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".debug") {
			return nil // not readable for this user, or never loaded
		}
		f, err := elf.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		if f.Type == elf.ET_DYN || f.Type == elf.ET_EXEC {
			files = append(files, path)
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

// ldd returns what ldd(1) prints of files: the paths, and the names that it didn't find;
// nil for what it can't start. The dynamic linker is that of this machine's programs.
func ldd(linker string, files []string) map[string][]string {
	const size = 50
	batches, results := make(chan []string), make(chan map[string][]string)
	for range runtime.NumCPU() {
		go func() {
			for batch := range batches {
				results <- lddBatch(linker, batch)
			}
		}()
	}
	go func() {
		for batch := range slices.Chunk(files, size) {
			batches <- batch
		}
		close(batches)
	}()
	all := map[string][]string{}
	for range (len(files) + size - 1) / size {
		maps.Copy(all, <-results)
	}
	return all
}

var lddLine = regexp.MustCompile(`^\t(?:(.*) => )?(.*?)(?: \(0x[0-9a-f]+\))?$`)

// askLinker asks the dynamic linker, as ldd does, which is a long script and takes five
// times as long. What this linker refuses is left to ldd.
const askLinker = `for file; do
	echo "$file:"; "$0" --list "$file" 2>/dev/null || ldd "$file"
done`

func lddBatch(linker string, files []string) map[string][]string {
	cmd := exec.Command("sh", append([]string{"-c", askLinker, linker}, files...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Dir = "/"
	out, _ := cmd.CombinedOutput() // it fails if there is a static one
	all := map[string][]string{}
	file := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "\t") {
			file = strings.TrimSuffix(line, ":")
			all[file] = []string{}
			continue
		}
		part := lddLine.FindStringSubmatch(line)
		switch name, path := part[1], part[2]; {
		case path == "not a dynamic executable":
			all[file] = nil
		case path == "statically linked", isVDSO(name), isVDSO(path):
		case path == "not found":
			all[file] = append(all[file], name+": not found")
		default:
			all[file] = append(all[file], path)
		}
	}
	for _, paths := range all {
		slices.Sort(paths)
	}
	return all
}

// isVDSO reports whether a name is that of the object that the kernel has mapped,
// vdso(7).
func isVDSO(name string) bool {
	return strings.HasPrefix(name, "linux-vdso.so.") ||
		strings.HasPrefix(name, "linux-gate.so.")
}

// ours returns the same from the closure.
func ours(t *testing.T, l *Linker, file string) []string {
	c, err := l.Closure(file)
	if !assert.NoError(t, err) {
		return nil
	}
	paths := []string{}
	for _, o := range c.Objects[1:] {
		paths = append(paths, o.Name)
	}
	for _, problem := range c.Problems {
		missing := &NotFound{}
		ok := errors.As(problem, &missing)
		require.True(t, ok)
		paths = append(paths, missing.Name+": not found")
	}
	slices.Sort(paths)
	return paths
}
