//go:build linux

package trace

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// shown returns what is written for lines of strace.
func shown(lines string) string {
	var out strings.Builder
	t := newTracker(&out)
	t.read(strings.NewReader(lines), make(chan int, 1))
	return out.String()
}

// The files have lines of strace 6.1, with shorter addresses, and what is shown.
func TestLines(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, text, _ = bytes.Cut(text, []byte("\n")) // a comment
		lines, want, ok := strings.Cut(string(text), "==\n")
		require.True(t, ok, file)
		assert.Equal(t, want, shown(lines), file)
	}
}

func TestDescribe(t *testing.T) {
	for line, want := range map[string]string{
		`mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV, NULL) = 0`: "mount proc on " +
			"/proc MS_NOSUID|MS_NODEV",
		`mount("none", "/", NULL, MS_REC|MS_SLAVE, NULL) = 0`: "mount / MS_REC|MS_SLAVE",
		`mount("img", "img", 0x1b5, MS_BIND|MS_REC, NULL) = 0`: "mount img on img " +
			"MS_BIND|MS_REC",
		`mount("", "/dev/null", 0x1b5, MS_RDONLY|MS_REMOUNT|MS_BIND, NULL) = 0`: "mount " +
			"/dev/null MS_RDONLY|MS_REMOUNT|MS_BIND",
		`mount("/dev/sda1", "/a, b", "ext4", 0, "data=x") = -1 EACCES (Permission denied)`: "" +
			`mount ext4 /dev/sda1 on "/a, b" data=x: EACCES (permission denied)`,
		`mount("overlay", "/r", "overlay", 0, "lowerdir=.,upperdir=/u") = 0`: "mount " +
			"overlay on /r lowerdir=.,upperdir=/u",
		`umount2("/sys", MNT_DETACH) = 0`:                              "umount2 /sys MNT_DETACH",
		`umount2("/mnt", 0) = 0`:                                       "umount2 /mnt",
		`pivot_root(".", ".") = 0`:                                     "pivot_root . .",
		`sethostname("box", 3) = 0`:                                    "sethostname box",
		`setdomainname("a\tb", 3) = 0`:                                 `setdomainname "a\tb"`,
		`mount_setattr(-1, "", 0, {}) = 0`:                             `mount_setattr -1`,
		`fsopen("sysfs", FSOPEN_CLOEXEC) = 11<anon_inode:[fscontext]>`: "fsopen sysfs",
		`fsconfig(3<anon_inode:[fscontext]>, FSCONFIG_SET_STRING, "source", "proc", 0) = 0`: "" +
			"fsconfig FSCONFIG_SET_STRING source proc",
		`fsconfig(3<anon_inode:[fscontext]>, FSCONFIG_CMD_CREATE, NULL, NULL, 0) = 0`: "" +
			"fsconfig FSCONFIG_CMD_CREATE",
		`fsmount(11<anon_inode:[fscontext]>, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY) = 12</>`: "" +
			"fsmount MOUNT_ATTR_RDONLY",
		`move_mount(12</>, "", AT_FDCWD</root>, "/proc", MOVE_MOUNT_F_EMPTY_PATH) = 0`: "" +
			"move_mount on /proc",
		`open_tree(AT_FDCWD, "/a", OPEN_TREE_CLONE) = 3</a>`: "open_tree /a",
		`mount_setattr(3</a>, "", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NODEV, ` +
			`attr_clr=0, propagation=MS_PRIVATE, userns_fd=0}, 32) = 0</a>`: "mount_setattr /a " +
			"attr_set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NODEV propagation=MS_PRIVATE",
		`mq_open("q", O_RDWR|O_CREAT|O_CLOEXEC, 0600, {mq_flags=0}) = 6</q>`: "mq_open q " +
			"O_RDWR|O_CREAT",
		`write(6</proc/12/uid_map>, "0 0 1", 5) = 5`: `write /proc/12/uid_map "0 0 1"`,
		`write(6</sys/fs/cgroup/a/pids.max>, "20", 2) = 2`: "write /sys/fs/cgroup/a/pids.max " +
			"20",
		`write(1</dev/pts/0<char 136:0>>, "x", 1) = 1`: "",
		`write(5</proc/12/comm>, "sh", 2) = 2`:         "",
		`prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) = 0`: "prctl " +
			"PR_CAP_AMBIENT_RAISE",
		`prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) = 0`:         "prctl PR_CAPBSET_DROP",
		`prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0`:       "prctl PR_SET_NO_NEW_PRIVS",
		`prctl(PR_CAPBSET_READ, CAP_KILL) = 1`:             "",
		`seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=3}) = 0`: "seccomp SECCOMP_SET_MODE_FILTER",
		`seccomp(SECCOMP_GET_ACTION_AVAIL, 0, [X]) = 0`:    "",
		`capset({version=3, pid=0}, {effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0}) = 0`: "" +
			"capset",
		`openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`: "",
	} {
		p := parser{unfinished: map[int]string{}}
		c, ended := p.parse("100 " + line)
		assert.Zero(t, ended)
		assert.NotEmpty(t, c.name, line)
		assert.Equal(t, want, describe(c), line)
	}
}

func TestSplit(t *testing.T) {
	for args, want := range map[string][]string{
		``:                            {""},
		`1, 2`:                        {"1", "2"},
		`"a, b", "c\", d"`:            {`"a, b"`, `"c\", d"`},
		`{a=1, b=[2, 3]}, (4, 5)`:     {`{a=1, b=[2, 3]}`, `(4, 5)`},
		`5</a,b>, 6`:                  {`5</a,b>`, "6"},
		`1</dev/tty<char 5:0>>, x`:    {`1</dev/tty<char 5:0>>`, "x"},
		`{e=1<<CAP_A|1<<CAP_B}, NULL`: {`{e=1<<CAP_A|1<<CAP_B}`, "NULL"},
		`"unfinished`:                 {`"unfinished`},
	} {
		assert.Equal(t, want, split(args), args)
	}
}

// A repeated line about capabilities is shown once.
func TestRepeated(t *testing.T) {
	assert.Equal(t, `a[1]                       prctl PR_CAPBSET_DROP
a[1]                       prctl PR_CAPBSET_DROP: EPERM (operation not permitted)
`, shown(`1 execve("/a", ["a"], 0x7) = 0
1 prctl(PR_CAPBSET_DROP, CAP_CHOWN) = 0
1 prctl(PR_CAPBSET_DROP, CAP_KILL) = 0
1 prctl(PR_CAPBSET_DROP, CAP_FOWNER) = -1 EPERM (Operation not permitted)
`))
}

func TestRefused(t *testing.T) {
	tracker := newTracker(io.Discard)
	tracker.read(strings.NewReader(
		"1 execve(\"/a\", [\"a\"], 0x7) = -1 ENOEXEC (Exec format error)\n"), make(chan int, 1))
	assert.NotNil(t, tracker.first)
	assert.NotEmpty(t, tracker.refused)
	// strace ends before the command has begun, for example because it may not trace
	tracker = newTracker(io.Discard)
	tracker.read(strings.NewReader("1 +++ exited with 1 +++\n"), make(chan int, 1))
	assert.Nil(t, tracker.first)
}

func TestWriteFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED: needs /dev/full")
	}
	defer full.Close()
	tracker := newTracker(full)
	tracker.read(strings.NewReader("1 chroot(\".\") = 0\n1 chroot(\".\") = 0\n"),
		make(chan int, 1))
	assert.ErrorIs(t, tracker.err, unix.ENOSPC)
}

func TestStatus(t *testing.T) {
	assert.Equal(t, 3, status(syscall.WaitStatus(3<<8)))
	assert.Equal(t, 143, status(syscall.WaitStatus(unix.SIGTERM)))
}

func TestLimits(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EMFILE: "the limit RLIMIT_NOFILE allows only",
		unix.EAGAIN: "there are as many processes and threads as",
	} {
		assert.Contains(t, limits(&os.PathError{Op: "fork/exec", Err: errno}), want)
	}
	assert.Empty(t, limits(unix.ENOENT))
}

func TestWhy(t *testing.T) {
	for _, test := range []struct {
		facts facts
		want  string
	}{
		{facts{noProc: true, container: "docker"}, "needs it: mount -t proc proc /proc"},
		{facts{noProc: true, sudo: "sudo "}, "needs it: sudo mount -t proc"},
		{facts{old: true, traced: true}, "strace 5.9 or newer"},
		{facts{traced: true, scope: "2"}, "has one already; use another terminal"},
		{facts{scope: "3"}, "no process may trace until the next boot"},
		{facts{scope: "2", again: "sudo w trace"}, "only root may trace: sudo w trace CMD"},
		{facts{scope: "1", container: "podman"}, "podman run --cap-add SYS_PTRACE"},
		{facts{scope: "1", container: "lxc"}, "the message of strace says why"},
		{facts{}, "the message of strace says why"},
	} {
		assert.Contains(t, why(test.facts), test.want)
	}
}
