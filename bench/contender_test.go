//go:build linux

package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A contender is a command that is measured.
type contender struct {
	kind, name string
	debian     string       // the package that has it, none if it is this module's
	args       []string     // the command, with the program's path
	first      []string     // the same for the warm-up, if that shall be shorter
	dir        string       // where it is started, "" for here
	begin, end func() error // before each run and after it, but not after the warm-up
	anyStatus  bool         // it may fail, and have done its work

	skipped string    // why it does not take part
	times   []float64 // in ms, one a round
}

// newContender returns a contender whose program is looked up.
func newContender(kind, name, debian, program string, options ...string) *contender {
	nothing := func() error { return nil }
	c := &contender{kind: kind, name: name, debian: debian, begin: nothing, end: nothing}
	path, err := exec.LookPath(program)
	if err != nil {
		c.skipped = fmt.Sprintf("%v: apt-get install %s", err, debian)
	}
	c.args = append([]string{path}, options...)
	return c
}

// takeTurns runs all contenders in each round, in shuffled order, and returns those that
// can take part. One that has taken as long as the limit is left out of further rounds.
func takeTurns(b *testing.B, contenders []*contender, rounds int,
	limit time.Duration,
) (ready []*contender) {
	for _, c := range contenders {
		if c.warmUp(b) {
			ready = append(ready, c)
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range max(rounds, 1) {
		for _, i := range rnd.Perm(len(ready)) {
			c := ready[i]
			if c.skipped == "" && sum(c.times) < limit.Seconds()*1000 {
				c.fail(b, c.launch(null))
			}
		}
	}
	return slices.DeleteFunc(ready, func(c *contender) bool { return c.skipped != "" })
}

// warmUp runs the command once, which fills the caches, and reports whether that
// succeeds.
func (c *contender) warmUp(b *testing.B) bool {
	if c.skipped != "" {
		c.fail(b, errors.New(c.skipped))
		return false
	}
	args := c.args
	if c.first != nil {
		args = c.first
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = c.dir
	err := c.begin()
	if err == nil {
		var out []byte
		out, err = cmd.CombinedOutput()
		if err = c.judge(err); err != nil {
			err = fmt.Errorf("%w: %.200s", err, out)
		}
	}
	c.fail(b, err)
	return c.skipped == ""
}

// launch runs the command, and notes how long that took.
func (c *contender) launch(null *os.File) error {
	if err := c.begin(); err != nil {
		return err
	}
	begin := time.Now()
	process, err := os.StartProcess(c.args[0], c.args,
		&os.ProcAttr{Dir: c.dir, Files: []*os.File{null, null, null}})
	if err != nil {
		return err
	}
	state, err := process.Wait()
	took := time.Since(begin)
	if err == nil && !state.Success() {
		err = &exec.ExitError{ProcessState: state}
	}
	c.times = append(c.times, took.Seconds()*1000)
	return errors.Join(c.judge(err), c.end())
}

// judge returns the error of a run if it counts.
func (c *contender) judge(err error) error {
	var status *exec.ExitError
	if c.anyStatus && errors.As(err, &status) && status.Exited() {
		return nil
	}
	return err
}

// fail handles a failure: a program of this module has to succeed, any other is skipped
// if it doesn't.
func (c *contender) fail(b *testing.B, err error) {
	if err == nil {
		return
	}
	c.skipped = oneLine(err.Error())
	if c.debian == "" {
		b.Fatalf("%s (%s): %s", c.name, c.kind, c.skipped)
	}
}

// printTable prints a line for each contender, with its ratio to each of the bases.
func printTable(title, of string, contenders []*contender, bases ...string) {
	fmt.Printf("\n%s\n\n%-7s %-14s  %9s  %19s  %4s", title, of, "program", "median ms",
		"quartiles", "runs")
	for _, base := range bases {
		fmt.Printf("  %24s", "x "+base+" (95 %)")
	}
	fmt.Println()
	for _, c := range contenders {
		fmt.Printf("%-7s %-14s  ", c.kind, c.name)
		if c.skipped != "" {
			fmt.Println("skipped:", c.skipped)
			continue
		}
		fmt.Printf("%9.2f  %8.2f - %8.2f  %4d", quantile(c.times, 0.5),
			quantile(c.times, 0.25), quantile(c.times, 0.75), len(c.times))
		for _, name := range bases {
			if base := find(contenders, c.kind, name); base != nil && base.skipped == "" {
				fmt.Printf("  %24s", ratio(c, base))
			}
		}
		fmt.Println()
	}
	fmt.Println()
}

func find(contenders []*contender, kind, name string) *contender {
	for _, c := range contenders {
		if c.kind == kind && c.name == name {
			return c
		}
	}
	return nil
}

// An estimate is a value with its 95 % interval.
type estimate struct {
	value, low, high float64
	runs             int // without an interval, if it is but one
}

func (e estimate) String() string {
	if e.runs == 1 {
		return fmt.Sprintf("%.2f (one run)", e.value)
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", e.value, e.low, e.high)
}

// ratio returns the ratio of the medians of two contenders.
func ratio(c, base *contender) estimate {
	return compare(c, base, func(x, y float64) float64 { return x / y })
}

// beyond returns by how many ms the median of the one exceeds that of the other.
func beyond(c, base *contender) estimate {
	return compare(c, base, func(x, y float64) float64 { return x - y })
}

// compare returns what f makes of the medians of two contenders, over the rounds that
// both took part in. The interval is by resampling these.
func compare(c, base *contender, f func(x, y float64) float64) estimate {
	rnd := rand.New(rand.NewPCG(3, 4))
	runs := min(len(c.times), len(base.times))
	values := make([]float64, 1000)
	times, bases := make([]float64, runs), make([]float64, runs)
	for i := range values {
		for j := range times {
			round := rnd.IntN(runs)
			times[j], bases[j] = c.times[round], base.times[round]
		}
		values[i] = f(quantile(times, 0.5), quantile(bases, 0.5))
	}
	return estimate{
		f(quantile(c.times[:runs], 0.5), quantile(base.times[:runs], 0.5)),
		quantile(values, 0.025), quantile(values, 0.975), runs,
	}
}

// quantile returns the value below which the portion q of the values lies.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below, above := sorted[int(at)], sorted[min(int(at)+1, len(sorted)-1)]
	return below + (above-below)*(at-float64(int(at)))
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

func bin(program string) string { return filepath.Join("..", "bin", program) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// build builds a program of testdata as the Makefile builds the steps.
func build(b *testing.B, name string) string {
	file := filepath.Join(b.TempDir(), name)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags",
		"-s -w -buildid=",
		"-o", file, "./testdata/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return file
}

// ownMounts gives this benchmark a mount namespace of its own, until it ends.
func ownMounts() error {
	runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}
