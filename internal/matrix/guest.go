//go:build linux

package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A check is a test of this repository that runs in the guests.
type check struct {
	name string // the column of the table
	dir  string // of the package
	run  string // -test.run
	inCI bool   // CI has the time for it
}

// users run each check.
var users = []string{"root", "tester"}

//go:embed checks.sh
var checksScript string

// script returns the shell script that runs checks in a guest, each as all users.
func script(checks []check) string {
	var b strings.Builder
	b.WriteString(checksScript)
	for _, c := range checks {
		for _, user := range users {
			fmt.Fprintf(&b, "check %s %s '%s' '%s'\n", user, c.name, c.dir, c.run)
		}
	}
	return b.String()
}

// A result is what became of a check.
type result struct {
	user, check string
	status      int
	seconds     int
	skipped     bool   // no test ran
	text        string // what the check printed
}

func (r result) ok() bool { return r.status == 0 && !r.skipped }

// A report is what a guest printed.
type report struct {
	guest   guest
	missing error  // why the guest could not be made here
	kernel  string // uname -r; "" if the guest never got to user space
	results []result
	done    bool // the guest ran all checks
	took    time.Duration
	cpu     time.Duration // of the processors, which others may have used meanwhile
	log     string        // the file with all that it printed
}

// escape matches what the firmware and a terminal's programs print beside text.
var escape = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\r`)

// parse reads the console of a guest.
func parse(console io.Reader, r *report) error {
	lines := bufio.NewReader(console)
	var current *result
	for {
		line, err := lines.ReadString('\n')
		line = escape.ReplaceAllString(line, "")
		word := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "@@kernel ") && len(word) > 1:
			r.kernel = word[1]
		case strings.HasPrefix(line, "@@begin ") && len(word) == 3:
			current = &result{user: word[1], check: word[2], status: -1}
		case strings.HasPrefix(line, "@@end ") && len(word) == 5 && current != nil:
			current.status, _ = strconv.Atoi(word[3])
			current.seconds, _ = strconv.Atoi(word[4])
			current.skipped = !strings.Contains(current.text, "--- PASS") ||
				strings.Contains(current.text, "SKIPPED: needs namespaces")
			r.results = append(r.results, *current)
			current = nil
		case strings.HasPrefix(line, "@@done"):
			r.done = true
		case current != nil:
			current.text += line
		}
		if err == io.EOF {
			if current != nil {
				r.results = append(r.results, *current)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// boot runs QEMU with a kernel and an initramfs until the guest powers itself off, and
// reads its console. The memory is in QEMU's notation.
func (g guest) boot(
	ctx context.Context, k kernel, initrd, memory string,
) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	logs := filepath.Join(cacheDir, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	r := &report{guest: g, log: logs + "/" + g.kernel + "-" + g.arch + ".log"}
	file, err := os.Create(r.log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// The kernel unpacks one archive after the other.
	both := initrd + "-" + filepath.Base(r.log)
	defer os.Remove(both)
	if _, err := output(ctx, ".", "sh", "-c", `cat "$1" "$2" >"$3"`, "sh", initrd, k.modules,
		both); err != nil {
		return nil, err
	}
	command, console := g.qemu()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:],
		"-accel", "tcg,thread=multi", "-smp", "2", "-m", memory, "-nodefaults", "-nographic",
		"-no-reboot", "-serial", "stdio", "-kernel", k.image, "-initrd", both, "-append",
		"console="+console+" quiet panic=-1 mitigations=off nokaslr")...)
	cmd.Stderr = file
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	err = parse(io.TeeReader(stdout, file), r)
	_ = cmd.Wait() // the console says how it ended
	r.took = time.Since(start).Round(time.Second)
	r.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Second)
	return r, err
}

// qemu returns the start of the command line, and the name of the serial console. The
// machines and processors are those that all of the kernels boot on.
func (g guest) qemu() (command []string, console string) {
	if g.arch == "arm64" {
		return []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"}, "ttyAMA0"
	}
	return []string{"qemu-system-x86_64", "-M", "pc,usb=off", "-cpu", "Nehalem"}, "ttyS0"
}
