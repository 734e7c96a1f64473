//go:build linux

package steptest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// shell runs a script, and returns its output and its exit status.
func shell(t *testing.T, script string) (string, int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	out, err := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return string(out), cmd.ProcessState.ExitCode()
}

// A security module answers clone(2) with EACCES, which execve(2) may return too. A
// seccomp filter plays the module here.
func TestForbiddenClone(t *testing.T) {
	NeedsHost(t)
	for _, step := range steps {
		out, status := shell(t, "exec filter namespaces 13 "+step+" -p true")
		assert.Equal(t, 125, status)
		assert.Regexp(t, `^`+step+`: clone CLONE_NEWPID: permission denied\n`+
			`  a security module such as AppArmor or SELinux forbids it; .*: .*\n$`, out)
	}
}

// A root directory that can't be written to isn't a matter of privileges.
func TestImmutableJail(t *testing.T) {
	NeedsHost(t)
	jail := t.TempDir()
	if out, err := exec.Command("chattr", "+i", jail).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: needs root, and a file system with attributes: %s", out)
	}
	defer exec.Command("chattr", "-i", jail).Run()
	out, status := shell(t, "exec step6-chroot -pmc "+jail+" true")
	assert.Equal(t, 125, status)
	assert.Equal(t, "step6-chroot: mkdir /proc: operation not permitted\n"+
		"  the jail is immutable, even for root (see chattr(1)): chattr -i "+jail+"\n",
		out)
	// The hint's command fixes it.
	hint := out[strings.LastIndex(out, ": ")+2:]
	out, _ = shell(t, hint)
	assert.Empty(t, out)
	out, status = shell(t, "exec step6-chroot -pmc "+jail+" /nonesuch")
	assert.Equal(t, 127, status, out)
	assert.Contains(t, out, "  neither the jail nor the host has such a program\n")
}

// A jail without a /proc tells nothing about the capabilities of a process in it.
func TestMaskedProcOfJail(t *testing.T) {
	NeedsHost(t)
	jail := t.TempDir()
	require.NoError(t, os.Mkdir(jail+"/proc", 0o755))
	for _, step := range []string{"step2-mnt -pm", "step6-chroot -pmc " + jail} {
		out, status := inUserNamespace(t, "mount -t tmpfs mask /proc/fs; "+
			"exec unshare --user --map-root-user "+step+" true")
		assert.Equal(t, 125, status, out)
		assert.Regexp(t, `^\S+: mount proc on /proc: operation not permitted\n`+
			`  mounts hide parts of /proc.*, and a new proc would show them; .*\n$`, out)
		assert.NotContains(t, out, "--privileged")
	}
}

// A step opens no file of the jail to explain an error or to lock: a FIFO there would
// hang the step.
func TestFIFOsInJail(t *testing.T) {
	NeedsHost(t)
	jail := t.TempDir()
	for _, file := range []string{
		"/run/systemd/container", "/run/host/container-manager", "/proc/version",
		"/proc/self/uid_map", "/proc/self/mountinfo", "/proc/self/ns/ipc",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(jail+file), 0o755))
		require.NoError(t, unix.Mkfifo(jail+file, 0o644))
	}
	out, status := inUserNamespace(t,
		"echo hello | timeout 20 step6-chroot -i no -c "+jail+" /nonesuch")
	assert.Equal(t, 127, status, out)
	assert.Contains(t, out, "received message: hello\n")
	assert.Contains(t, out, "  neither the jail nor the host has such a program\n")
	assert.Empty(t, Queues())
}

// A program may be executable and stand where nothing can be executed.
func TestNoexec(t *testing.T) {
	NeedsHost(t)
	out, status := shell(t, "exec unshare --mount sh -c 'mount -t tmpfs -o noexec none /mnt"+
		" && cp /bin/true /mnt/ && exec step1-pid -p /mnt/true'")
	assert.Equal(t, 126, status)
	assert.Equal(t, "step1-pid: exec /mnt/true: permission denied\n"+
		"  it is on a mount with the option noexec: findmnt -T /mnt/true\n", out)
}

// No descriptor is left for the child, or for the hint itself.
func TestFewDescriptors(t *testing.T) {
	NeedsHost(t)
	for _, limit := range []string{"5", "6", "7", "8"} {
		out, status := shell(t, "ulimit -n "+limit+"; exec step1-pid -p true")
		assert.Equal(t, 125, status)
		assert.Regexp(t,
			`^step1-pid: (socketpair|memfd_create|dup|clone) .*: too many open files\n`+
				`  the limit RLIMIT_NOFILE allows only `+limit+` open files: prlimit --pid \$\$ --nofile=1024\n$`, out)
	}
	failed := map[string]bool{}
	for limit := 5; limit < 12; limit++ {
		out, status := shell(t, fmt.Sprintf("ulimit -n %d; exec step5-ipc -i no true",
			limit))
		if status == 0 {
			continue
		}
		what, _, _ := strings.Cut(strings.TrimPrefix(out, "step5-ipc: "), " ")
		failed[what] = true
		assert.Contains(t, out, ": too many open files\n  the limit RLIMIT_NOFILE allows")
	}
	assert.Subset(t, failed, map[string]bool{"open": true, "mq_open": true})
	out, status := shell(t, "ulimit -S -n 5; exec step1-pid -p true")
	assert.Equal(t, 0, status, out)
}

// An emulator of another processor offers no namespaces, which isn't the kernel's fault.
func TestEmulator(t *testing.T) {
	NeedsHost(t)
	if _, err := exec.LookPath("qemu-aarch64"); err != nil {
		t.Skip("SKIPPED: needs qemu-aarch64, of qemu-user")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/", "../../step1-pid")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, status := shell(t, "exec qemu-aarch64 "+dir+"/step1-pid -p true")
	assert.Equal(t, 125, status)
	assert.Equal(t, "step1-pid: clone CLONE_NEWPID: invalid argument\n"+
		"  qemu-aarch64 emulates another processor and can't make namespaces; "+
		"build the programs for this machine: make clean build\n", text)
}

// What a Go runtime prints on request is no failure.
func TestInitTrace(t *testing.T) {
	NeedsHost(t)
	for script, want := range map[string]int{
		"sh -c 'exit 3'": 3, "sh -c 'exit 2'": 2, "/nonesuch": 127,
	} {
		out, status := shell(t, "GODEBUG=inittrace=1 exec step1-pid -p "+script)
		assert.Equal(t, want, status)
		assert.Equal(t, 2, strings.Count(out, "\ninit runtime @")+
			btoi(strings.HasPrefix(out, "init runtime @")), "of parent and child: %s", out)
	}
	out, status := shell(t, "NSTEPS_CHILD= exec step1-pid true")
	assert.Equal(t, 125, status)
	assert.Contains(t, out, "step1-pid: read socket ")
}

// Where the runtime of the first process can't start, no code of the step runs: the page
// has the first line of the runtime's trace as a heading.
func TestTraces(t *testing.T) {
	NeedsHost(t)
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	numbers := regexp.MustCompile(`have [0-9]+ already`)
	for _, script := range []string{
		"exec unshare --pid step1-pid -p true",
		"ulimit -v 400000; exec step1-pid -p true",
	} {
		out, status := shell(t, script)
		assert.Equal(t, 2, status, out)
		first, _, _ := strings.Cut(out, "\n")
		heading := "\n### `" + numbers.ReplaceAllString(first, "have N already") + "`\n"
		assert.True(t, bytes.Contains(page, []byte(heading)),
			"docs/troubleshooting.md has no heading %q", heading)
	}
}
