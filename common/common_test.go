//go:build linux

package common

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{status(3), 3},
		{fmt.Errorf("wrapped: %w", status(137)), 137},
		{errGone, 125},
		{&UsageError{errors.New("no such option")}, 125},
		{Failed("clone", "CLONE_NEWPID", unix.EPERM), 125},
		{Failed("chroot", "jail", unix.ENOENT), 125},
		{Failed("exec", "ls", unix.ENOENT), 127},
		{Failed("exec", "/etc/passwd/ls", unix.ENOTDIR), 127},
		{Failed("exec", "/etc", unix.EACCES), 126},
		{Failed("exec", "/bin/arm", unix.ENOEXEC), 126},
		{Failed("exec", "/bin/ls", unix.E2BIG), 126},
	} {
		assert.Equal(t, test.want, exitStatus(test.err), "%v", test.err)
	}
}

func TestFailed(t *testing.T) {
	err := Failed("mount proc on", "/proc", unix.EPERM)
	assert.EqualError(t, err, "mount proc on /proc: operation not permitted")
	assert.ErrorIs(t, err, unix.EPERM)
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.EqualError(t, Failed("exec", "", unix.ENOENT), `exec "": no such file or directory`)
}

func TestReport(t *testing.T) {
	plain := func() facts { return facts{args: []string{"bin/step1-pid", "-p"}, uid: 1000} }
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{status(1), ""},
		{errGone, ""},
		{Failed("chdir", "/", unix.ENOENT), "step: chdir /: no such file or directory\n"},
		{Failed("chdir", "a\nb\x1b", unix.ENOENT), `step: chdir a\nb\x1b: no such file or directory` + "\n"},
		{&UsageError{errors.New("no such option: -z")}, "step: no such option: -z\n" +
			"  usage: step [options] [cmd [arg...]]\n  see: bin/step1-pid --help\n"},
		{Failed("clone", "CLONE_NEWPID", unix.EPERM),
			"step: clone CLONE_NEWPID: operation not permitted\n  be root: sudo bin/step1-pid -p\n" +
				"  or root in a user namespace: unshare --user --map-root-user bin/step1-pid -p\n"},
	} {
		var b bytes.Buffer
		report(&b, "step", test.err, plain)
		assert.Equal(t, test.want, b.String())
	}
}

func TestHint(t *testing.T) {
	root := facts{args: []string{"bin/step6-chroot", "-c", "my jail", "ls"}, jail: "my jail",
		sysAdmin: true, limits: map[string]string{"pid": "96365", "mnt": "0", "net": "0"}}
	user := root
	user.uid, user.sysAdmin = 1000, false
	mapped := root
	mapped.userns, mapped.apparmor = true, true
	container := root
	container.sysAdmin = false
	installed := root
	installed.args = []string{"step6-chroot"}
	const self = "bin/step6-chroot -c 'my jail' ls"
	for _, test := range []struct {
		err   error
		facts facts
		want  string
	}{
		{errGone, root, ""},
		{Failed("clone", "CLONE_NEWPID", unix.EPERM), user,
			"be root: sudo " + self + "\nor root in a user namespace: unshare --user --map-root-user " + self},
		{Failed("clone", "CLONE_NEWPID", unix.EPERM), root,
			"even root may not, as in a container; start that with: docker run --privileged"},
		{Failed("clone", "CLONE_NEWPID", unix.EPERM), container,
			"even root may not, as in a container; start that with: docker run --privileged"},
		{Failed("clone", "CLONE_NEWPID", unix.EPERM), mapped,
			"AppArmor restricts unprivileged user namespaces; be root: sudo " + self +
				"\nor allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{Failed("mount proc on", "/proc", unix.EPERM), user,
			"be root: sudo " + self + "\nor root in a user namespace: unshare --user --map-root-user " + self},
		{Failed("mount proc on", "/proc", unix.EPERM), root, "an outer container masks parts of its /proc, " +
			"which a new one would show; start that with: docker run --security-opt systempaths=unconfined"},
		{Failed("clone", "CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWNET", unix.ENOSPC), root,
			"not the disk, but a limit of namespaces, or 32 nested ones, namespaces(7): " +
				"sysctl -w user.max_mnt_namespaces=10000 user.max_net_namespaces=10000"},
		{Failed("clone", "CLONE_NEWPID", unix.ENOSPC), user,
			"not the disk, but a limit of namespaces, or 32 nested ones, namespaces(7): " +
				"sudo sysctl -w user.max_pid_namespaces=10000"},
		{Failed("chroot", "my jail", unix.ENOENT), root, "make the jail: bin/binlibdepcp /bin/sh 'my jail'"},
		{Failed("chroot", "my jail", unix.ENOENT), installed, "make the jail: binlibdepcp /bin/sh 'my jail'"},
		{Failed("chroot", "my jail", unix.ENOTDIR), root,
			"-c takes a directory, as in: bin/step6-chroot -c jail sh"},
		{Failed("chroot", "-m", unix.ENOENT), root,
			"an option with a value comes last, as in: bin/step6-chroot -pmc jail sh"},
		{Failed("mq_unlink", "/ipc_namespace", unix.EPERM), user, "the queue is another user's: " +
			"sudo mount -t mqueue none /mnt; sudo rm /mnt/ipc_namespace; sudo umount /mnt"},
		{Failed("exec", "/nonesuch/ls", unix.ENOENT), root,
			"the command isn't in the jail: bin/binlibdepcp /nonesuch/ls 'my jail'"},
		{Failed("exec", "ls", unix.EIO), root, ""},
	} {
		assert.Equal(t, test.want, hint(test.err, test.facts), "%v", test.err)
	}
	for _, h := range hints {
		text := hint(Failed(h.operation, "OBJECT", h.errno), root)
		assert.NotEmpty(t, text, "%s: %v", h.operation, h.errno)
		assert.NotContains(t, text, "SUDO")
		assert.NotContains(t, text, "JAIL")
	}
}

func TestInterpreter(t *testing.T) {
	// A small ELF file: the header, one PT_INTERP program header, the text.
	object := make([]byte, 64+56+14)
	copy(object, "\x7fELF\x02\x01\x01")
	object[32], object[56] = 64, 1                       // e_phoff, e_phnum
	object[64], object[64+8], object[64+32] = 3, 120, 14 // p_type, p_offset, p_filesz
	copy(object[120:], "/lib/ld.so.99\x00")
	huge := bytes.Clone(object)
	for i := range 8 {
		huge[64+32+i], huge[32+i] = 0xff, object[32+i]
	}
	static := bytes.Clone(object)
	static[64] = 1 // PT_LOAD
	lying := bytes.Clone(object)
	for i := range 8 {
		lying[32+i] = 0xff // e_phoff
	}
	for _, test := range []struct{ name, text, kind, want string }{
		{"empty", "", "", ""},
		{"text", "echo hello\n", "", ""},
		{"script", "#!/bin/sh\necho hello\n", "#! interpreter", "/bin/sh"},
		{"script with an argument", "#! /usr/bin/env python3 -u\n", "#! interpreter", "/usr/bin/env"},
		{"script without an end", "#!/bin/sh", "#! interpreter", "/bin/sh"},
		{"script without a name", "#!\n", "#! interpreter", ""},
		{"dynamic", string(object), "ELF interpreter", "/lib/ld.so.99"},
		{"static", string(static), "", ""},
		{"cut off", string(object[:64]), "", ""},
		{"huge name", string(huge), "ELF interpreter", "/lib/ld.so.99"},
		{"header beyond", string(lying), "", ""},
		{"32 bits", "\x7fELF\x01\x01\x01" + strings.Repeat("\x00", 60), "", ""},
	} {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, []byte(test.text), 0o644))
		kind, name := interpreter(file)
		assert.Equal(t, test.kind, kind, test.name)
		assert.Equal(t, test.want, name, test.name)
	}
	kind, name := interpreter("/nonesuch")
	assert.Empty(t, kind+name)
}

func TestMissing(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/nonesuch/perl -w\n"), 0o755))
	f := facts{args: []string{"step6-chroot"}}
	assert.Equal(t, "there is no such program in "+path+
		"; what is elsewhere takes its path, what a shell provides takes sh -c", f.missing("ls"))
	assert.Equal(t, "", f.missing("/nonesuch/ls"))
	assert.Equal(t, "the file is there, but its #! interpreter /nonesuch/perl isn't", f.missing(script))
	f.jail = "jail"
	assert.Equal(t, `the command isn't in the jail: binlibdepcp ls jail`, f.missing("ls"))
	assert.Equal(t, "the file is there, but its #! interpreter /nonesuch/perl isn't in the jail: "+
		"binlibdepcp /nonesuch/perl jail", f.missing(script))
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"":             "''",
		"plain":        "plain",
		"/a-b_c.d,e=f": "/a-b_c.d,e=f",
		"a b":          "'a b'",
		"it's":         `'it'\''s'`,
		"$HOME":        "'$HOME'",
		"*":            "'*'",
		"~":            "'~'",
		"größe":        "'größe'",
		"a\nb":         `"a\nb"`,
		"\xff":         `"\xff"`,
		"\x1b[31m":     `"\x1b[31m"`,
	} {
		assert.Equal(t, want, Quote(word))
	}
	assert.Equal(t, "sh -c 'echo $$'", quoteAll([]string{"sh", "-c", "echo $$"}))
	assert.Equal(t, "a ...", quoteAll([]string{"a", strings.Repeat("x", 300), "b"}))
	assert.Equal(t, `a "b" \x1b`, Printable("a \"b\" \x1b"))
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

func TestFieldAndMask(t *testing.T) {
	file := []byte("Name:\tsh\nSigBlk:\t0000000000000000\nSigCgt:\t0000000000010002\nPid:\t42\n")
	assert.Equal(t, "sh", field(file, "Name:"))
	assert.Equal(t, "42", field(file, "Pid:"))
	assert.Equal(t, "", field(file, "Uid:"))
	assert.Equal(t, uint64(0x10002), mask(file, "SigCgt:"))
	assert.Zero(t, mask(file, "SigBlk:"))
	assert.Zero(t, mask(file, "Name:"))
	assert.Zero(t, mask(nil, "SigCgt:"))
}

func TestFlagNames(t *testing.T) {
	assert.Equal(t, "child", FlagNames(0))
	assert.Equal(t, "CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWNET|CLONE_NEWIPC", FlagNames(
		unix.CLONE_NEWIPC|unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWNS|unix.CLONE_NEWPID))
}

func TestEnvironment(t *testing.T) {
	t.Setenv("TERM", "vt100")
	t.Setenv("SECRET", "1")
	t.Setenv("HOME", "/home/me")
	env := environment("step1-pid")
	want := []string{"PATH=" + path, "HOME=/root", "PS1=step1-pid# ", "TERM=vt100"}
	if os.Getuid() != 0 {
		want[1], want[2] = "HOME=/home/me", "PS1=step1-pid$ "
	}
	assert.Equal(t, want, env)
	os.Unsetenv("TERM")
	assert.Equal(t, want[:3], environment("step1-pid"))
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
	ready, err := poll(0, pair[1])
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

func TestUsageText(t *testing.T) {
	for _, test := range []struct{ text, typed, want string }{
		{"flag provided but not defined: -nosuch", "step --nosuch", "no such option: --nosuch"},
		{"flag provided but not defined: -nosuch", "step -nosuch", "no such option: -nosuch"},
		{"flag provided but not defined: -nosuch", "step -nosuch=1", "no such option: -nosuch"},
		{"flag provided but not defined: -z", "step -z", "no such option: -z"},
		{"flag needs an argument: -uts", "step --uts", "option needs a value: --uts"},
		{`invalid boolean value "x" for -pid: parse error`, "step --pid=x",
			`invalid boolean value "x" for --pid: parse error`},
		{"bad flag syntax: ---x", "step ---x", "bad flag syntax: ---x"},
	} {
		assert.Equal(t, test.want, usageText(test.text, strings.Fields(test.typed)))
	}
}
