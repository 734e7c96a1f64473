//go:build linux

package linux

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestMain is the program that TestReexec starts again.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "--again" {
		uts, _ := os.Readlink("/proc/self/ns/uts")
		ipc, _ := os.Readlink("/proc/self/ns/ipc")
		os.Stdout.WriteString(uts + "\n" + ipc)
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func TestParseStat(t *testing.T) {
	const rest = " -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 12345 99"
	for _, test := range []struct {
		stat string
		want Process
		ok   bool
	}{
		{"42 (sh) S 7 42 7 34816" + rest, Process{
			PID: 42, Parent: 7, Command: "sh",
			Terminal: true, Start: 12345,
		}, true},
		{"42 (sh) S 7 42 7 0" + rest, Process{
			PID: 42, Parent: 7, Command: "sh",
			Start: 12345,
		}, true},
		{"42 (a) R 1 (b) S 7 42 7 0" + rest, Process{
			PID: 42, Parent: 7,
			Command: "a) R 1 (b", Start: 12345,
		}, true},
		{"42 (a\nb) S 7 42 7 0" + rest, Process{
			PID: 42, Parent: 7, Command: "a\nb",
			Start: 12345,
		}, true},
		{"42 () S 7 42 7 0" + rest, Process{PID: 42, Parent: 7, Start: 12345}, true},
		{"42 (sh) Z 7 42 7 0" + rest, Process{
			PID: 42, Parent: 7, Command: "sh",
			Start: 12345, Zombie: true, Ending: true,
		}, true},
		{
			"42 (sh) S 7 42 7 0 -1 4194564 1 0 0 0 1 2 3 4 20 0 1 0 12345 99",
			Process{PID: 42, Parent: 7, Command: "sh", Start: 12345, Ending: true},
			true,
		},
		{"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5", Process{
			PID: 2, Command: "kthreadd",
			Start: 5, Kernel: true,
		}, true},
		{"", Process{}, false},
		{"42 (sh", Process{}, false},
		{"42 (sh) S 7 42 7", Process{}, false},
		{"42 (sh) S 7 42 7 0 -1 4194560", Process{}, false},
		{"x (sh) S 7 42 7 0" + rest, Process{}, false},
	} {
		got, ok := parseStat(test.stat)
		assert.Equal(t, test.ok, ok, test.stat)
		if ok {
			assert.Equal(t, test.want, got)
		}
	}
}

func TestProcesses(t *testing.T) {
	all, err := Processes()
	require.NoError(t, err)
	assert.Equal(t, os.Getppid(), all[os.Getpid()].Parent)
	assert.Equal(t, "linux.test", all[os.Getpid()].Command)
}

func TestField(t *testing.T) {
	status := []byte("Name:\tsh\nNSpid:\t7\t1\nSigCgt:\t0000000000010002\n")
	assert.Equal(t, "7\t1", Field(status, "NSpid:"))
	assert.Equal(t, "", Field(status, "Uid:"))
	assert.Equal(t, uint64(0x10002), Mask(status, "SigCgt:"))
	assert.Zero(t, Mask(status, "CapEff:"))
	assert.Zero(t, Mask(status, "Name:"))
}

func TestParseLink(t *testing.T) {
	inode, err := parseLink("pid:[4026531836]")
	require.NoError(t, err)
	assert.Equal(t, uint64(4026531836), inode)
	for _, link := range []string{"", "pid:[]", "pid:[1", "1", "pid:[x]"} {
		_, err := parseLink(link)
		assert.Error(t, err, link)
	}
}

// A USER namespace that maps all IDs to themselves isn't the initial one.
func TestInInitialUser(t *testing.T) {
	if os.Getenv("NSTEPS_ALL_IDS") != "" {
		uids, err := os.ReadFile("/proc/self/uid_map")
		require.NoError(t, err)
		assert.Equal(t, "0 0 4294967295", strings.Join(strings.Fields(string(uids)), " "))
		assert.False(t, InInitialUser())
		return
	}
	if !InInitialUser() || os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root of the initial USER namespace")
	}
	all := []syscall.SysProcIDMap{{Size: 4294967295}}
	child := exec.Command("/proc/self/exe", "-test.run=^TestInInitialUser$", "-test.v")
	child.Env = append(os.Environ(), "NSTEPS_ALL_IDS=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: all, GidMappings: all,
		GidMappingsEnableSetgroups: true,
	}
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "--- PASS: TestInInitialUser")
}

// The kernel's list is ours, whatever its order.
func TestKinds(t *testing.T) {
	assert.Equal(t, "user", Kinds[0].File)
	entries, err := os.ReadDir("/proc/self/ns")
	require.NoError(t, err)
	for _, entry := range entries {
		known := strings.HasSuffix(entry.Name(), "_for_children")
		for _, k := range Kinds {
			known = known || k.File == entry.Name()
		}
		assert.True(t, known, entry.Name())
	}
	assert.Equal(t, "CLONE_NEWPID|CLONE_NEWNS",
		FlagNames(unix.CLONE_NEWNS|unix.CLONE_NEWPID))
	assert.Empty(t, FlagNames(0))
}

func TestParseMounts(t *testing.T) {
	mounts := ParseMounts(`22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
30 27 0:27 / /my\040disk rw,relatime - tmpfs my\040disk rw
31 27 254:0 /srv /data rw shared:9 master:1 propagate_from:3 - ext4 /dev/vda rw
31 27 0:27 / /disk rw -
bad line
`)
	assert.Equal(t, []Mount{
		{Point: "/proc", Type: "proc", Device: "0:21", Root: "/", Group: "5", Options: "rw"},
		{Point: "/my disk", Type: "tmpfs", Device: "0:27", Root: "/", Options: "rw"},
		{
			Point: "/data", Type: "ext4", Device: "254:0", Root: "/srv",
			Group: "9", Master: "1", Options: "rw",
		},
	}, mounts)
	assert.Equal(t, "a b\tc\nd#e\\f\\g", unescape.Replace(`a\040b\011c\012d\043e\134f\g`))
}

// The program runs again where it was told to, and what fails is named.
func TestReexec(t *testing.T) {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS,
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	if err := cmd.Start(); err != nil {
		t.Skipf("SKIPPED: needs namespaces, and this user may not make them: %v", err)
	}
	defer func() {
		stdin.Close()
		_ = cmd.Wait()
	}()
	var r Reexec
	for _, kind := range []string{"user", "uts"} {
		fd, err := unix.Open("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/ns/"+kind,
			unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		r.Enter = append(r.Enter, fd)
	}
	out, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer out.Close()
	r.Stdout, r.Unshare = int(out.Fd()), unix.CLONE_NEWIPC
	status, _, err := r.Run("--again")
	require.NoError(t, err)
	assert.Equal(t, 3, status.ExitStatus())
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	uts, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/uts")
	require.NoError(t, err)
	ipc, err := os.Readlink("/proc/self/ns/ipc")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(text), uts+"\nipc:["), string(text))
	assert.NotContains(t, string(text), ipc)

	r.Enter[1] = 0 // no namespace
	_, operation, err := r.Run("--again")
	assert.Equal(t, "setns", operation)
	assert.ErrorIs(t, err, unix.EINVAL)
	r.Enter, r.Unshare = nil, 1<<40
	_, operation, err = r.Run("--again")
	assert.Equal(t, "unshare", operation)
	assert.ErrorIs(t, err, unix.EINVAL)
}
