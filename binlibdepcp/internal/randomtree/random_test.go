//go:build linux

package randomtree

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nsteps/binlibdepcp/ldso"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) { steptest.Main(m, "binlibdepcp") }

// TestRandomTrees compares trees of a fixed row of seeds, or for an hour those of a new
// one. Each feature must have been met.
func TestRandomTrees(t *testing.T) {
	m := prepare(t)
	trees, first, end := uint64(1000), uint64(0), time.Now().Add(time.Hour)
	if n, err := strconv.ParseUint(os.Getenv("NSTEPS_TREES"), 10, 64); err == nil {
		trees = n
	}
	if os.Getenv("NSTEPS_SOAK") != "" {
		trees, first = math.MaxUint32, uint64(time.Now().Unix())<<20
	}
	start := time.Now()
	seen := m.checkAll(t, first, trees, end)
	rate := float64(seen["trees"]) / time.Since(start).Minutes()
	t.Logf("first seed %d, %.0f trees a minute", first, rate)
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%8d %s", seen[what], what)
	}
	for _, f := range features {
		if seen[f.name] == 0 {
			t.Errorf("in no tree: %s", f.name)
		}
	}
}

// checkAll compares trees, in a lab for each processor. It ends at too many faults too.
func (m *machine) checkAll(t *testing.T, first, trees uint64, end time.Time) counts {
	var next, faults atomic.Uint64
	var workers sync.WaitGroup
	all, lock := counts{}, sync.Mutex{}
	for range runtime.GOMAXPROCS(0) {
		l := m.lab(t)
		workers.Go(func() {
			for faults.Load() < maxFaults && time.Now().Before(end) {
				n := next.Add(1) - 1
				if n >= trees {
					break
				}
				name := fmt.Sprintf("NSTEPS_TREE=%d", first+n)
				if !l.check(t, name, random(first+n), n%jailEvery == 0) {
					faults.Add(1)
				}
				l.seen.add("trees")
			}
			lock.Lock()
			defer lock.Unlock()
			for feature, n := range l.seen {
				all[feature] += n
			}
		})
	}
	workers.Wait()
	return all
}

const (
	maxFaults = 20
	jailEvery = 10 // of so many trees, one is copied by binlibdepcp
)

// TestTree compares one tree: that of a seed, or one that a file describes.
func TestTree(t *testing.T) {
	which := os.Getenv("NSTEPS_TREE")
	if which == "" {
		t.Skip("for one tree, by hand: NSTEPS_TREE=SEED or NSTEPS_TREE=FILE")
	}
	described, err := readTree(which)
	require.NoError(t, err)
	t.Logf("\n%s", described)
	prepare(t).lab(t).check(t, which, described, true)
}

// TestKnownTrees compares the trees that have once shown a fault.
func TestKnownTrees(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tree")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	l := prepare(t).lab(t)
	for _, file := range files {
		described, err := readTree(file)
		require.NoError(t, err)
		l.check(t, file, described, true)
	}
}

func readTree(which string) (*tree, error) {
	if seed, err := strconv.ParseUint(which, 10, 64); err == nil {
		return random(seed), nil
	}
	text, err := os.ReadFile(which)
	if err != nil {
		return nil, err
	}
	return parseTree(string(text))
}

// check compares a tree. If it differs, the test fails, and shows the smallest one.
func (l *lab) check(t *testing.T, name string, tr *tree, jail bool) bool {
	why, err := l.compare(tr, jail)
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, tr)
		return false
	}
	if why == "" {
		return true
	}
	seen := l.seen
	l.seen = nil
	smallest := shrink(tr, func(tr *tree) bool {
		why, err := l.compare(tr, jail)
		return err == nil && why != ""
	})
	why, _ = l.compare(smallest, jail)
	l.seen = seen
	t.Errorf("%s: not what the dynamic linker loads, nor in this smaller tree:\n%s%s",
		name, smallest, why)
	return false
}

// A machine is what the trees are made from.
type machine struct {
	templates map[string]*template
	cpu       ldso.CPU
}

// prepare makes the templates. It skips the test, loudly, where the machine lacks
// something.
func prepare(t *testing.T) *machine {
	steptest.NeedsHost(t)
	for _, a := range abis {
		for _, file := range []string{a.interp, cmp.Or(a.libc, a.interp), ldconfig} {
			if _, err := os.Stat(file); err != nil {
				t.Skipf("SKIPPED: needs glibc for x86-64 and i386, and musl: %v", err)
			}
		}
	}
	templates, err := makeTemplates(t.TempDir())
	if err != nil {
		t.Skipf("SKIPPED: needs gcc, for -m32 too: %v", err)
	}
	return &machine{templates, hostCPU(t)}
}

// lab returns a lab, which is closed at the end of the test.
func (m *machine) lab(t *testing.T) *lab {
	l, err := newLab(m.templates, m.cpu)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.close()) })
	return l
}

var platform = regexp.MustCompile(`(?m)^dl_platform="(.*)"$`)

// hostCPU returns the CPU as the dynamic linker sees it: package ldso doesn't know every
// CPU that is called haswell.
func hostCPU(t *testing.T) ldso.CPU {
	cpu := ldso.HostCPU()
	out, err := exec.Command(abis[0].interp, "--list-diagnostics").Output()
	require.NoError(t, err)
	if m := platform.FindSubmatch(out); m != nil {
		cpu.Platform = string(m[1])
	}
	return cpu
}
