//go:build linux

package common

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// Package common stays small: a reader of the steps reads it too.
func TestSize(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	lines, exported := 0, map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		lines += bytes.Count(text, []byte("\n"))
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		require.NoError(t, err)
		for name := range parsed.Scope.Objects { // methods aren't in there
			exported[name] = ast.IsExported(name)
		}
	}
	maps.DeleteFunc(exported, func(_ string, yes bool) bool { return !yes })
	assert.LessOrEqual(t, lines, 900, "lines")
	assert.LessOrEqual(t, len(exported), 16, "%v", slices.Sorted(maps.Keys(exported)))
	assert.Contains(t, exported, "NeedsLinux")
}

func TestFailed(t *testing.T) {
	err := Failed("mount proc on", "/proc", unix.EPERM)
	assert.EqualError(t, err, "mount proc on /proc: operation not permitted")
	assert.ErrorIs(t, err, unix.EPERM)
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.EqualError(t, Failed("exec", "", unix.ENOENT),
		`exec "": no such file or directory`)
}

func TestReport(t *testing.T) {
	plain := func() *cause.Facts {
		return &cause.Facts{Args: []string{"bin/step1-pid", "-p"}, UID: 1000}
	}
	own := []cause.Hint{{
		Operations: "join",
		Cause:      cause.Cause{Text: "a hint of its own"},
	}}
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{cmdline.Status(1), ""},
		{errGone, ""},
		{Failed("chdir", "/", unix.ENOENT), "step: chdir /: no such file or directory\n"},
		{
			Failed("chdir", "a\nb\x1b", unix.ENOENT),
			`step: chdir a\nb\x1b: no such file or directory` + "\n",
		},
		{
			Failed("join", "/proc/1/ns/net", unix.EINVAL),
			"step: join /proc/1/ns/net: invalid argument\n  a hint of its own\n",
		},
		{Failed("join", "x", errors.New("no errno")), "step: join x: no errno\n"},
		{cmdline.Usagef("no such option: -z"), "step: no such option: -z\n" +
			"  usage: step [options] [cmd [arg...]]\n  see: bin/step1-pid --help\n"},
		{
			Failed("clone", "CLONE_NEWPID", unix.EPERM),
			"step: clone CLONE_NEWPID: operation not permitted\n  be root: sudo " +
				"bin/step1-pid -p\n" +
				"  or root in a user namespace: unshare --user --map-root-user " +
				"bin/step1-pid -p\n",
		},
	} {
		var b bytes.Buffer
		report(&b, "step", test.err, own, plain)
		assert.Equal(t, test.want, b.String())
	}
}

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		text string
		size int
		want string
	}{
		{"hello", 3, "hel"},
		{"aä", 2, "a"},
		{"aäb", 3, "aä"},
		{"日本", 5, "日"},
		{"日本", 2, ""},
		{"a\xff\xff", 2, "a\xff"},
		{"\x80\x80\x80", 2, ""},
	} {
		assert.Equal(t, test.want, truncate(test.text, test.size), "%q", test.text)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("TERM", "vt100")
	t.Setenv("SECRET", "1")
	t.Setenv("HOME", "/home/me")
	env := environment("step1-pid")
	want := []string{
		"PATH=" + cmdline.Path, "HOME=/root",
		"PS1=step1-pid# ", "TERM=vt100",
	}
	if os.Getuid() != 0 {
		want[1], want[2] = "HOME=/home/me", "PS1=step1-pid$ "
	}
	assert.Equal(t, want, env)
	os.Unsetenv("TERM")
	assert.Equal(t, want[:3], environment("step1-pid"))
}

// A child says that it is ready when it dies with the parent, and Release waits for that.
func TestReady(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	parent, child := pair[0], pair[1]
	runtime.LockOSThread() // PDEATHSIG is this thread's
	defer runtime.UnlockOSThread()
	defer func() { _ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }()
	t.Setenv(childEnv, inheritance{socket: child, stderr: 2, ipc: -1}.String())
	require.NoError(t, becomeReady())
	var signal int32
	require.NoError(t, unix.Prctl(unix.PR_GET_PDEATHSIG,
		uintptr(unsafe.Pointer(&signal)), 0, 0, 0))
	assert.Equal(t, int32(unix.SIGKILL), signal)

	(&Child{socket: parent}).Release()
	left, err := linux.Poll(0, parent)
	require.NoError(t, err)
	assert.Equal(t, []int16{0}, left, "Release has read that the child is ready")
	b, err := await(child)
	assert.NoError(t, err)
	assert.Equal(t, byte(turn), b)
}

// A child with a message queue outlives a killed parent, whose queue it removes.
func TestReadyWithQueue(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Setenv(childEnv,
		inheritance{socket: pair[1], stderr: 2, ipc: 3, inode: 4, queue: "/q"}.String())
	require.NoError(t, becomeReady())
	said, err := linux.Poll(0, pair[0])
	require.NoError(t, err)
	assert.Equal(t, []int16{0}, said)
}

// A socket and its other end: turns, and the end of either side.
func TestTurns(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	hand(pair[0], turn)
	hand(pair[0], opened)
	b, err := await(pair[1])
	assert.NoError(t, err)
	assert.Equal(t, byte(turn), b)
	b, err = await(pair[1])
	assert.NoError(t, err)
	assert.Equal(t, byte(opened), b)
	assert.False(t, closed(pair[1]))
	ready, err := linux.Poll(0, pair[1])
	assert.NoError(t, err)
	assert.Equal(t, []int16{0}, ready)
	unix.Close(pair[0])
	assert.True(t, closed(pair[1]))
	_, err = await(pair[1])
	assert.ErrorIs(t, err, errGone)
	hand(pair[1], turn) // no SIGPIPE
	unix.Close(pair[1])
	_, err = await(pair[1])
	assert.ErrorIs(t, err, unix.EBADF)
}
