//go:build linux

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nsteps"
	"nsteps/internal/linux"
)

// A launch is how a program beyond the workshop launches true, and how step6-chroot does
// with those of its namespaces that the program makes too. The limit is a multiple of
// that, 0 if the time is reported only. In the options, IMAGE is a directory with true,
// TARGET a process in the namespaces of "-pmnu box", and LIMIT no limit of a controller
// that version 2 of cgroups has, if it has one of the two.
type launch struct {
	options, base string
	limit         float64
}

// launches has a row for each program in the list of steps.
var launches = map[string]launch{
	"step7-user":     {"-pmnu box -U root", "-pmnu box", 1.15},
	"step8-pivot":    {"-pmr IMAGE", "-pmc IMAGE", 1.15},
	"step9-dev":      {"-pmdr IMAGE", "-pmc IMAGE", 1.3},
	"step10-overlay": {"-pmor IMAGE", "-pmc IMAGE", 1.15},
	"step11-veth":    {"-pmnu box -e 10.97.0.0/24", "-pmnu box", 0}, // it waits for the link
	"step12-cgroup":  {"-pg LIMIT", "-p", 1.15},
	"step13-caps":    {"-pml", "-pm", 1.15},
	"step14-seccomp": {"-ps", "-p", 1.15},
	"step15-time":    {"-pt 24h", "-p", 1.15}, // on kernels after 6.1
	"join":           {"-t TARGET", "-pmnu box", 1.15},
	"container":      {"-r IMAGE", "-pmnu box -i yes -c IMAGE", 1.5},
}

// Every program is measured.
func TestLaunches(t *testing.T) {
	for _, step := range nsteps.Steps {
		if _, ok := launches[step.Name]; ok != step.Beyond() {
			t.Errorf("launches has a row for %s: %v", step.Name, ok)
		}
	}
}

func BenchmarkBeyond(b *testing.B) {
	needNamespaces(b)
	const base = "step6-chroot"
	words := strings.NewReplacer("IMAGE", image(b), "TARGET", target(b),
		"LIMIT", noLimit())
	var contenders []*contender
	for _, step := range nsteps.Steps {
		row, ok := launches[step.Name]
		if !ok {
			continue
		}
		for _, of := range [][2]string{{base, row.base}, {step.Name, row.options}} {
			args := append(strings.Fields(words.Replace(of[1])), "true")
			contenders = append(contenders,
				newContender(step.Short, of[0], "", bin(of[0]), args...))
		}
	}
	ready := takeTurns(b, contenders, *rounds, time.Minute)
	printTable("launch of true, beyond the workshop", "step", contenders, base)
	for _, step := range nsteps.Steps {
		row, ok := launches[step.Name]
		if !ok || find(ready, step.Short, step.Name) == nil {
			continue
		}
		x := ratio(find(ready, step.Short, step.Name), find(ready, step.Short, base)).value
		if row.limit > 0 {
			fmt.Printf("goal: %s at most %.2f x %s: %.2f, %s\n", step.Name, row.limit, base,
				x, verdict(x <= row.limit))
		}
		b.ReportMetric(x, "x-"+step.Name)
	}
	fmt.Println()
	b.ReportMetric(0, "ns/op")
}

func noLimit() string {
	pids, _ := linux.CgroupOf("self", "pids")
	if rest, _ := linux.CgroupOf("self", "hugetlb"); pids.Version == 1 && rest.Version == 2 {
		return "hugetlb.2MB.max=max"
	}
	return "pids.max=max"
}

// image returns a directory with true, for a root.
func image(b *testing.B) string {
	dir := filepath.Join(b.TempDir(), "image")
	out, err := exec.Command(bin("binlibdepcp"), "-q", "true", dir).CombinedOutput()
	if err != nil {
		b.Fatalf("binlibdepcp: %v: %s", err, out)
	}
	return dir
}

// target returns the PID of a process in new namespaces, which lives as long as the
// benchmark.
func target(b *testing.B) string {
	cmd := exec.Command(bin("step6-chroot"), "-pmnu", "box", "cat")
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid)
	for range 1000 {
		text, _ := os.ReadFile(children)
		pid := strings.TrimSpace(string(text))
		comm, _ := os.ReadFile("/proc/" + pid + "/comm")
		if string(comm) == "cat\n" {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.Fatalf("%s has started nothing", cmd)
	return ""
}
