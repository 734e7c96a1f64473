//go:build linux

// Package bench measures how long the steps take to launch true(1), and how much
// memory they hold while they wait. They are compared with a bare Go program (the
// floor, testdata/floor), unshare(1), bubblewrap, crun and runc. It measures how long
// binlibdepcp takes to find the libraries of programs and to copy them, and its memory,
// against ldd(1), lddtree, dracut-install, jk_cp and cp(1). Start it by
//
//	make bench
//
// All contenders run in turns, in an order that is shuffled for each round, so that a
// noisy moment hits all of them. What counts is the ratios: the milliseconds are
// this machine's. A ratio is one of medians, with its 95 % bootstrap interval. A goal
// that is missed is reported, and is no failure.
package bench

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var rounds = flag.Int("rounds", 150, "how often each contender is launched")

// goals are upper limits for the step with all namespaces, as a multiple.
var goals = []struct {
	of    string
	limit float64
}{{"floor", 1.2}, {"unshare", 2.4}}

// memoryGoal is an upper limit for a step's waiting parent, in MiB.
const memoryGoal = 12

// all is the kind of contenders that make all namespaces.
const all = "all"

// kinds are the namespaces to make, and how each program is told.
var kinds = []struct {
	name    string
	flags   uintptr // the floor's argument
	unshare []string
	step    []string
}{
	{"pid", unix.CLONE_NEWPID, []string{"-pf"}, []string{"step1-pid", "-p"}},
	{"mnt", unix.CLONE_NEWNS, []string{"-m"}, []string{"step2-mnt", "-m"}},
	{"uts", unix.CLONE_NEWUTS, []string{"-u"}, []string{"step3-uts", "-u", "box"}},
	{"net", unix.CLONE_NEWNET, []string{"-n"}, []string{"step4-net", "-n"}},
	{"ipc", unix.CLONE_NEWIPC, []string{"-i"}, []string{"step5-ipc", "-i", "yes"}},
	{
		all, unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
			unix.CLONE_NEWNET |
			unix.CLONE_NEWIPC,
		[]string{"-pmnuif", "--mount-proc"},
		[]string{"step6-chroot", "-pmnu", "box", "-i", "yes"},
	},
}

func BenchmarkLaunch(b *testing.B) {
	needNamespaces(b)
	leaveHybrid(b)
	contenders := list(b)
	ready := takeTurns(b, contenders, *rounds, time.Minute)
	printTable("launch of true", "new", contenders, goals[0].of, goals[1].of)
	for _, goal := range goals {
		if base := find(ready, all, goal.of); base != nil {
			x := ratio(find(ready, all, "step6-chroot"), base).value
			fmt.Printf("goal: all namespaces at most %.1f x %s: %.2f, %s\n",
				goal.limit, goal.of, x, verdict(x <= goal.limit))
			b.ReportMetric(x, "x-"+goal.of)
		}
	}
	fmt.Println()
	b.ReportMetric(0, "ns/op") // an op would be the whole run
}

func BenchmarkMemory(b *testing.B) {
	needNamespaces(b)
	fmt.Printf("\nmemory of the waiting parent\n\n")
	for _, kind := range kinds {
		if kind.name == all || kind.name == "pid" {
			peak, now := memory(b, kind.step)
			fmt.Printf("%-12s  peak %.1f MiB, now %.1f MiB; goal: below %d MiB, %s\n",
				kind.step[0], peak, now, memoryGoal, verdict(peak < memoryGoal))
			b.ReportMetric(peak, kind.step[0]+"-MiB")
		}
	}
	fmt.Println()
	b.ReportMetric(0, "ns/op")
}

// needNamespaces skips the benchmark where namespaces can't be made.
func needNamespaces(b *testing.B) {
	b.Helper()
	step := bin("step1-pid")
	if _, err := os.Stat(step); err != nil {
		b.Fatalf("%v: run make build first", err)
	}
	if out, err := exec.Command(step, "-p", "true").CombinedOutput(); err != nil {
		reason := fmt.Sprintf("can't make namespaces here: %v: %s", err,
			oneLine(string(out)))
		fmt.Printf("%s skipped: %s\n", b.Name(), reason) // Skip says so only with -v
		b.Skip(reason)
	}
}

// leaveHybrid unmounts, for this benchmark only, a cgroup version 2 that is mounted
// beside version 1. This "hybrid mode" crun refuses, even with cgroups disabled.
func leaveHybrid(b *testing.B) {
	const unified = "/sys/fs/cgroup/unified"
	if _, err := os.Stat(unified); err != nil {
		return
	}
	err := ownMounts()
	if err == nil {
		err = unix.Unmount(unified, 0)
	}
	if err != nil {
		b.Logf("%s stays mounted: %v", unified, err)
	}
}

// list returns all contenders, the ones that are not installed included.
func list(b *testing.B) []*contender {
	program, err := exec.LookPath("true")
	if err != nil {
		b.Fatal(err)
	}
	var contenders []*contender
	add := func(kind, name, debian, program string, options ...string) {
		contenders = append(contenders, newContender(kind, name, debian,
			program, options...))
	}
	floor := build(b, "floor")
	for _, k := range kinds {
		add(k.name, "floor", "", floor, fmt.Sprint(k.flags), program)
		add(k.name, "unshare", "util-linux", "unshare", append(k.unshare, program)...)
		add(k.name, k.step[0], "", bin(k.step[0]),
			slices.Concat(k.step[1:], []string{program})...)
	}
	add(all, "bwrap", "bubblewrap", "bwrap", "--unshare-pid", "--unshare-net",
		"--unshare-uts", "--unshare-ipc", "--bind", "/", "/", "--proc", "/proc", program)
	state, dir, id := b.TempDir(), bundle(b), fmt.Sprint("nsteps-", os.Getpid())
	add(all, "crun", "crun", "crun", "--cgroup-manager=disabled", "--root", state,
		"run", "--bundle", dir, id)
	add(all, "runc", "runc", "runc", "--root", state, "run", "--bundle", dir, id)
	return contenders
}

// bundle returns the directory of an OCI bundle that runs the host's true, in a root
// directory of its own: neither crun nor runc takes the host's.
func bundle(b *testing.B) string {
	dir := b.TempDir()
	root := filepath.Join(dir, "rootfs")
	config, err := os.ReadFile("testdata/config.json")
	err = errors.Join(err, os.MkdirAll(filepath.Join(root, "dev"), 0o755),
		os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644))
	for _, name := range []string{"bin", "lib", "lib64"} {
		err = errors.Join(err, os.Symlink("usr/"+name, filepath.Join(root, name)))
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// memory returns the peak and the present size, in MiB, of a step's parent that waits
// for a command: VmHWM and VmRSS of proc_pid_status(5).
func memory(b *testing.B, step []string) (peak, now float64) {
	// cat is running when it has answered, and ends with its input.
	cmd := exec.Command(bin(step[0]), append(step[1:], "cat")...)
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	fmt.Fprintln(stdin, "up")
	for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != "up"; {
	}
	time.Sleep(100 * time.Millisecond) // the parent settles down to wait
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	mib := func(name string) (n float64) {
		_, after, _ := strings.Cut(string(status), name+":")
		if _, err := fmt.Sscan(after, &n); err != nil {
			b.Fatalf("no %s of %s: %v", name, cmd, err)
		}
		return n / 1024
	}
	return mib("VmHWM"), mib("VmRSS")
}
