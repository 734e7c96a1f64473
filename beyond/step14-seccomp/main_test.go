//go:build linux

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step14-seccomp", "beyond/step14-seccomp/testdata/calls",
		"beyond/step7-user", "step1-pid", "step2-mnt")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step14-seccomp") }

// Each call of the table is tried. Without the filter it isn't refused.
func TestCalls(t *testing.T) {
	steptest.NeedsHost(t)
	calls := func(command ...string) (errnos map[string]string) {
		out, err := exec.Command(command[0], command[1:]...).Output()
		require.NoError(t, err)
		errnos = map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, errno, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			errnos[name] = errno
		}
		return errnos
	}
	without := calls("step14-seccomp", steptest.Bin("calls"))
	with := calls("step14-seccomp", "-s", steptest.Bin("calls"))
	assert.Len(t, with, len(refused)+7)
	for name, errno := range with {
		switch name {
		case "getppid":
			assert.Empty(t, errno)
		case "clone3":
			assert.Equal(t, "ENOSYS", errno)
		case "ioctl TCGETS":
			assert.Equal(t, "EBADF", errno)
		default:
			assert.Equal(t, "EPERM", errno, name)
		}
	}
	for _, name := range []string{
		"mount", "pivot_root", "unshare", "setns", "add_key", "ioctl TIOCSTI",
	} {
		assert.NotEqual(t, "EPERM", without[name], name)
	}
}

// A 64-bit program may make a call as a 32-bit program does, by its number on i386. The
// filter knows no numbers of i386, so the kernel kills the process.
func TestArchitecture(t *testing.T) {
	steptest.NeedsHost(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: needs amd64")
	}
	program := filepath.Join(t.TempDir(), "getpid")
	require.NoError(t, os.WriteFile(program, i386(t), 0o755))
	run := func(args ...string) int {
		err := exec.Command("step14-seccomp", append(args, program)...).Run()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return exit.ExitCode()
		}
		require.NoError(t, err)
		return 0
	}
	if status := run(); status != 0 {
		t.Skipf("SKIPPED: needs calls of i386, which this kernel answers with %d", status)
	}
	assert.Equal(t, 128+31, run("-s"), "SIGSYS")
	assert.Equal(t, 128+31, run("-ps"), "SIGSYS")
}

// i386 is a program that calls getpid(2) of i386, and exits.
func i386(t *testing.T) []byte {
	t.Helper()
	const base, headers = 0x400000, 64 + 56
	code := []byte{
		0xb8, 20, 0, 0, 0, 0xcd, 0x80, // mov $20,%eax; int $0x80
		0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05, // exit(0)
	}
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC),
			Machine: uint16(elf.EM_X86_64), Version: 1, Entry: base + headers, Phoff: 64,
			Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base,
			Filesz: headers + uint64(len(code)), Memsz: headers + uint64(len(code)),
			Align: 4096,
		},
		code,
	} {
		require.NoError(t, binary.Write(&b, binary.LittleEndian, part))
	}
	return b.Bytes()
}

// A thread of glibc's is made with clone3(2), or clone(2) where clone3 doesn't exist.
func TestThreads(t *testing.T) {
	steptest.NeedsHost(t)
	if err := exec.Command("perl", "-Mthreads", "-e", "1").Run(); err != nil {
		t.Skip("SKIPPED: needs perl with threads")
	}
	out, err := exec.Command("step14-seccomp", "-ps", "perl", "-Mthreads", "-e",
		`threads->create(sub { print "thread\n" })->join`).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "thread\n", string(out))
}

// Every option works without the others, and in a USER namespace.
func TestEverySubset(t *testing.T) {
	steptest.NeedsHost(t)
	for _, as := range [][]string{nil, {"step7-user", "-U", "root"}} {
		steptest.EverySubset(t, as, "step14-seccomp", []string{"-p", "-s"},
			func([]string) string { return "" })
	}
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	steptest.KillAtAnyTime(t, "", "step14-seccomp", "-s", "sleep", "86400")
	steptest.KillAtAnyTime(t, "", "step7-user", "-U", "root",
		steptest.Bin("step14-seccomp"), "-s", "sleep", "86400")
}
