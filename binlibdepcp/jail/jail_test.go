//go:build linux

package jail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct{ name, dir, last string }{
		{"/usr/bin/x", "usr/bin", "x"},
		{"usr/bin/x/", "usr/bin", "x"},
		{"//usr//x", "usr", "x"},
		{"x", "", "x"},
		{"/", "", "."},
		{"", "", "."},
		{"a/..", "a/..", "."},
		{"..", "..", "."},
		{"a/./", "a/.", "."},
		{"../x", "..", "x"},
		{"...", "", "..."},
		{"a/\xff\n", "a", "\xff\n"},
	} {
		dir, last := split(test.name)
		assert.Equal(t, []string{test.dir, test.last}, []string{dir, last},
			"%q", test.name)
	}
}

func TestTemporary(t *testing.T) {
	assert.Equal(t, ".binlibdepcp-libc.so.6", temporary("libc.so.6"))
	fits := strings.Repeat("x", 255-len(prefix))
	assert.Equal(t, prefix+fits, temporary(fits))
	seen := map[string]bool{}
	for _, last := range []string{
		fits + "x", fits + "y", strings.Repeat("x", 255),
		strings.Repeat("\xff", 255),
	} {
		tmp := temporary(last)
		assert.LessOrEqual(t, len(tmp), 255)
		assert.True(t, strings.HasPrefix(tmp, prefix))
		assert.Equal(t, tmp, temporary(last))
		assert.False(t, seen[tmp])
		seen[tmp] = true
	}
}

func TestPath(t *testing.T) {
	for _, test := range []struct{ jail, name, want string }{
		{"jail", "/usr/x", "jail/usr/x"},
		{"jail/", "usr/x", "jail/usr/x"},
		{"/", "/x", "/x"},
		{"../my jail", "/", "../my jail"},
		{"jail", "a/../b", "jail/a/../b"},
	} {
		assert.Equal(t, test.want, (&Root{name: test.jail}).path(test.name))
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	shell(t, dir, "mkdir jail; ln -s jail link; >file; mkfifo fifo")
	_, err := Open(dir + "/file")
	assert.ErrorIs(t, err, unix.ENOTDIR)
	assert.EqualError(t, err, "open "+dir+"/file: not a directory")
	_, err = Open(dir + "/fifo")
	assert.ErrorIs(t, err, unix.ENOTDIR)
	_, err = Open(dir + "/missing")
	assert.ErrorIs(t, err, fs.ErrNotExist)

	r, err := Open(dir + "/link")
	require.NoError(t, err)
	_, err = Open(dir + "/jail")
	assert.ErrorIs(t, err, ErrBusy)
	assert.EqualError(t, err, "lock "+dir+"/jail: another run is working in it")
	require.NoError(t, r.Close())
	assert.ErrorIs(t, r.Close(), fs.ErrClosed)
	assert.ErrorIs(t, r.MkdirAll("a"), fs.ErrClosed)
	_, err = r.Lstat("a")
	assert.ErrorIs(t, err, fs.ErrClosed)

	r, err = Open(dir + "/jail")
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// Everything that was opened is closed again.
func TestClose(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		before, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		r := open(t.TempDir())
		for i := range 2 * maxHandles {
			require.NoError(t, r.WriteFile(fmt.Sprintf("d%d/e/f", i), nil, 0o644))
		}
		during, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		assert.LessOrEqual(t, len(during)-len(before), maxHandles+3)
		assert.Greater(t, len(during)-len(before), maxHandles/2)
		require.NoError(t, r.Close())
		after, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		assert.Equal(t, len(before), len(after))
	})
}

func TestNotWritable(t *testing.T) {
	if !again(t, plainUser()) {
		return
	}
	dir := t.TempDir()
	for _, mode := range []fs.FileMode{0o500, 0o600} {
		require.NoError(t, os.Chmod(dir, mode))
		_, err := Open(dir)
		assert.ErrorIs(t, err, unix.EACCES)
		assert.EqualError(t, err, "write to "+dir+": permission denied")
	}
	require.NoError(t, os.Chmod(dir, 0o700))
}

func TestReadOnly(t *testing.T) {
	if !again(t, mountNamespace()) {
		return
	}
	dir := t.TempDir()
	mount(t, "none", dir, "tmpfs", unix.MS_RDONLY, "")
	_, err := Open(dir)
	assert.ErrorIs(t, err, unix.EROFS)
}

func TestFallback(t *testing.T) {
	for _, errno := range []error{unix.ENOSYS, unix.EPERM} {
		r, err := open(t.TempDir(), calls{
			openat2: func(int, string, *unix.OpenHow) (int,
				error,
			) {
				return -1, errno
			},
		}, nil)
		require.NoError(t, err)
		assert.NotNil(t, r.fallback)
		require.NoError(t, r.WriteFile("a/b", []byte("x"), 0o644))
		r.Close()
	}
	_, err := open(t.TempDir(), calls{
		openat2: func(int, string, *unix.OpenHow) (int, error) {
			return -1,
				unix.EIO
		},
	}, nil)
	assert.ErrorIs(t, err, unix.EIO)

	// The directory is another one when os.Root opens it.
	dir := t.TempDir()
	shell(t, dir, "mkdir jail other")
	_, err = open(dir+"/jail",
		calls{openat2: func(int, string, *unix.OpenHow) (int, error) {
			shell(t, dir, "mv jail away; mv other jail")
			return -1, unix.ENOSYS
		}}, nil)
	assert.EqualError(t, err, "open "+dir+"/jail: it was replaced meanwhile")
}

func TestTryAgain(t *testing.T) {
	tries := 0
	calls := calls{openat2: func(dir int, name string, how *unix.OpenHow) (int, error) {
		if tries++; tries%4 != 0 {
			return -1, unix.EAGAIN
		}
		return unix.Openat2(dir, name, how)
	}}
	r, err := open(t.TempDir(), calls, nil)
	require.NoError(t, err)
	defer r.Close()
	if r.fallback != nil {
		t.Skip("NOT TESTED: there is no openat2 on this machine")
	}
	require.NoError(t, r.MkdirAll("a/b"))
	r.calls.openat2 = func(int, string, *unix.OpenHow) (int,
		error,
	) {
		return -1, unix.EAGAIN
	}
	assert.ErrorIs(t, r.MkdirAll("c"), unix.EAGAIN)
}

// After Open no path is resolved from the host's side any more.
func TestMoved(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		shell(t, dir, "mkdir jail elsewhere")
		r := open(dir + "/jail")
		t.Chdir(dir + "/elsewhere")
		shell(t, dir, "mv jail moved; mkdir jail; echo old >moved/old")
		for name, write := range writers {
			require.NoError(t, write(t, r, "usr/"+name), name)
			assert.FileExists(t, dir+"/moved/old")
		}
		require.NoError(t, r.MkdirAll("etc"))
		assert.DirExists(t, dir+"/moved/etc")
		assert.Len(t, tree(t, dir+"/jail"), 1)
		assert.Len(t, tree(t, dir+"/elsewhere"), 1)
	})
}

func TestCopy(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		r := open(dir)
		for _, test := range []struct {
			name, content string
			mode          fs.FileMode
		}{
			{"/usr/bin/x", "a program", 0o755},
			{"usr/bin/y", "", 0o444},
			{"z", "z", 0o4711 & 0o777},
			{"dir with space/\xff\xfe\n*", "bytes", 0o644},
			{strings.Repeat("n", 255), "long", 0o640},
			{strings.Repeat("n", 254) + "m", "long too", 0o600},
			{strings.Repeat("\xc3", 255), "long, no UTF-8", 0o600},
			{"usr/../usr/bin/../lib/lib.so", "dots", 0o644},
		} {
			src := source(t, test.content, test.mode)
			then := time.Unix(1234567890, 123456789)
			require.NoError(t, os.Chtimes(src.Name(), then.Add(time.Hour), then))
			_, err := src.Seek(0, 2)
			require.NoError(t, err)
			dropped, err := r.Copy(src, test.name)
			require.NoError(t, err)
			assert.Empty(t, dropped)
			info, err := os.Lstat(dir + "/" + test.name)
			require.NoError(t, err)
			assert.Equal(t, test.mode, info.Mode())
			assert.True(t, then.Equal(info.ModTime()), "%v", info.ModTime())
			s := info.Sys().(*syscall.Stat_t)
			assert.Equal(t, then.Add(time.Hour).UnixNano(), s.Atim.Nano())
			assert.Equal(t, test.content, content(t, dir+"/"+test.name))
			host, err := os.Stat(src.Name())
			require.NoError(t, err)
			assert.NotEqual(t, host.Sys().(*syscall.Stat_t).Ino, s.Ino)
		}
		_, err := r.Copy(source(t, "x", 0o644), strings.Repeat("n", 256))
		assert.ErrorIs(t, err, unix.ENAMETOOLONG)
		_, err = r.Copy(source(t, "x", 0o644), "a\x00b")
		assert.ErrorIs(t, err, unix.EINVAL)
		_, err = r.Copy(source(t, "x", 0o644), "a\x00b/c")
		assert.ErrorIs(t, err, unix.EINVAL)
		for _, name := range []string{"", "/", ".", "usr/bin/..", "usr/."} {
			_, err = r.Copy(source(t, "x", 0o644), name)
			assert.ErrorIs(t, err, unix.EISDIR, name)
		}
		noTemporary(t, dir)
	})
}

// A file of more than a chunk, and of exactly one.
func TestCopyBig(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	for _, size := range []int64{chunk - 1, chunk, chunk + 1} {
		src := source(t, strings.Repeat("x", int(size)-3)+"end", 0o644)
		_, err := r.Copy(src, "big")
		require.NoError(t, err)
		assert.True(t, content(t, src.Name()) == content(t, dir+"/big"))
	}
}

func TestCopyWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	shell(t, dir, "mkfifo fifo")
	fd, err := unix.Open(dir+"/fifo", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	fifo := os.NewFile(uintptr(fd), dir+"/fifo")
	defer fifo.Close()
	for _, src := range []*os.File{fifo, openFile(t, dir), openFile(t, "/dev/null")} {
		_, err := r.Copy(src, "x")
		assert.ErrorIs(t, err, ErrNotRegular)
		assert.EqualError(t, err, "copy "+src.Name()+": not a regular file")
	}
	// Of a file in /proc fstat says that it is empty.
	_, err = r.Copy(openFile(t, "/proc/self/status"), "x")
	assert.ErrorIs(t, err, ErrSize)
	assert.NoFileExists(t, dir+"/x")
	noTemporary(t, dir)
}

func TestKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: that owner, setuid and capabilities are kept takes root")
	}
	dir := t.TempDir()
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	src := source(t, "x", 0o755)
	require.NoError(t, os.Chown(src.Name(), 1234, 5678))
	require.NoError(t, os.Chmod(src.Name(),
		0o751|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
	setCapability(t, src.Name())
	dropped, err := r.Copy(src, "x")
	require.NoError(t, err)
	assert.Empty(t, dropped)
	st, err := r.Lstat("x")
	require.NoError(t, err)
	assert.Equal(t, []uint32{1234, 5678, unix.S_IFREG | 0o7751},
		[]uint32{st.Uid, st.Gid, st.Mode})
	assert.Equal(t, capNetBind, capability(dir+"/x"))
}

// Somebody else's setuid file is copied by a plain user, and in a user namespace in which
// its owner isn't mapped.
func TestDropped(t *testing.T) {
	src := setuidSource(t)
	if again(t, plainUser(), src) {
		dropped(t, src)
	}
}

func TestDroppedUnmapped(t *testing.T) {
	src := setuidSource(t)
	attr := mountNamespace()
	if os.Geteuid() == 0 {
		attr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
			Credential:  &syscall.Credential{},
		}
	}
	if again(t, attr, src) {
		dropped(t, src)
	}
}

// In a namespace of a whole range of IDs, an owner that isn't mapped looks like nobody,
// and nobody is mapped: the copy must not be a program that is setuid nobody.
func TestDroppedRange(t *testing.T) {
	src := setuidSource(t)
	if os.Getenv(againEnv) == "" && os.Geteuid() != 0 {
		t.Skip("NOT TESTED: mapping a range of IDs takes root")
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100_000, Size: 65536}}
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids,
		GidMappings: ids,
		Credential:  &syscall.Credential{},
	}
	if again(t, attr, src) {
		dropped(t, src)
	}
}

func dropped(t *testing.T, src *os.File) {
	t.Helper()
	var from unix.Stat_t
	require.NoError(t, unix.Fstat(int(src.Fd()), &from))
	require.NotZero(t, from.Mode&unix.S_ISUID)
	require.NotEqual(t, os.Getuid(), int(from.Uid))
	dir := t.TempDir()
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	got, err := r.Copy(src, "x")
	require.NoError(t, err)
	want := []string{"setuid"}
	if from.Mode&unix.S_ISGID != 0 {
		want = append(want, "setgid")
	}
	n, err := unix.Fgetxattr(int(src.Fd()), "security.capability", nil)
	if err == nil && n > 0 && os.Geteuid() != 0 {
		want = append(want, "capabilities")
		assert.Empty(t, capability(dir+"/x"))
	} // The root of a user namespace gives them, for that namespace: capabilities(7).
	assert.Equal(t, want, got)
	st, err := r.Stat("x")
	require.NoError(t, err)
	assert.Equal(t, from.Mode&^(unix.S_ISUID|unix.S_ISGID), st.Mode)
	assert.Equal(t, os.Getuid(), int(st.Uid))
	assert.Equal(t, from.Mtim, st.Mtim)
}

func TestUmask(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		r := open(dir)
		for _, umask := range []int{0, 0o077, 0o177} {
			src := source(t, "x", 0o755)
			d := fmt.Sprint(umask)
			defer unix.Umask(unix.Umask(umask))
			require.NoError(t, r.MkdirAll(d+"/dir"))
			require.NoError(t, r.WriteFile(d+"/file", nil, 0o666))
			_, err := r.Copy(src, d+"/copy")
			require.NoError(t, err)
			for name, want := range map[string]uint32{
				"": 0o40755, "/dir": 0o40755,
				"/file": 0o100666, "/copy": 0o100755,
			} {
				st, err := r.Lstat(d + name)
				require.NoError(t, err)
				assert.Equal(t, want, st.Mode, "%s under %o", name, umask)
			}
		}
	})
}

// What a new directory inherits from the one above stays.
func TestSetgidDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755|fs.ModeSetgid))
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	defer unix.Umask(unix.Umask(0o077))
	require.NoError(t, r.MkdirAll("a"))
	st, err := r.Lstat("a")
	require.NoError(t, err)
	assert.Equal(t, uint32(0o42755), st.Mode)
}

// The jails of TestHostile are made by a script in the jail's directory. $HOST is a
// directory outside, with a file "victim" and a directory "dir".
var hostile = map[string]struct {
	script, name string
	inside       string // where the file ends; "" if it is refused
	refused      error  // with openat2
	fallback     bool   // os.Root goes where openat2 goes
}{
	"plain": {"mkdir usr", "usr/x", "usr/x", nil, true},
	"directory is absolute": {
		"mkdir -p usr/lib; ln -s /usr/lib lib", "/lib/x",
		"usr/lib/x", nil, false,
	},
	"directory is relative": {
		"mkdir -p usr/lib; ln -s usr/lib lib", "/lib/x",
		"usr/lib/x", nil, true,
	},
	"directory leads to host": {
		"ln -s $HOST/dir lib", "/lib/x", "",
		unix.ENOENT, false,
	},
	"and there is one inside": {
		"mkdir -p ./$HOST/dir; ln -s $HOST/dir lib", "lib/x",
		"$HOST/dir/x", nil, false,
	},
	"directory climbs to host": {
		"ln -s ../../../../../../../../../../$HOST/dir lib",
		"lib/x", "", unix.ENOENT, false,
	},
	"directory climbs": {"ln -s ../../.. up", "up/x", "x", nil, false},
	"directory climbs deeper": {
		"mkdir a; ln -s ../../.. a/up; ln -s a/up b", "b/c/x",
		"c/x", nil, false,
	},
	"name climbs":               {":", "../../x", "x", nil, false},
	"name climbs in the middle": {"mkdir a", "a/../../x", "x", nil, false},
	"directory is the root":     {"ln -s / r", "r/r/r/x", "x", nil, false},
	"dangling directory":        {"ln -s nowhere lib", "lib/x", "", unix.ENOENT, true},
	"dangling further up": {
		"ln -s nowhere lib", "lib/a/b/x", "",
		unix.ENOENT, true,
	},
	"directories loop":      {"ln -s b a; ln -s a b", "a/x", "", unix.ELOOP, true},
	"directory is itself":   {"ln -s a/a a", "a/x", "", unix.ELOOP, true},
	"directory is a file":   {">usr", "usr/x", "", unix.ENOTDIR, true},
	"directory is a FIFO":   {"mkfifo usr", "usr/x", "", unix.ENOTDIR, true},
	"link to host in place": {"ln -s $HOST/victim x", "x", "x", nil, true},
	"climbing link in place": {
		"ln -s ../../../../../../../../$HOST/victim x", "x",
		"x", nil, true,
	},
	"link to dir in place":    {"ln -s $HOST/dir x", "x", "x", nil, true},
	"dangling link in place":  {"ln -s $HOST/new x", "x", "x", nil, true},
	"loop in place":           {"ln -s x x", "x", "x", nil, true},
	"FIFO in place":           {"mkfifo x", "x", "x", nil, true},
	"hard link in place":      {"ln $HOST/victim x", "x", "x", nil, true},
	"unreadable in place":     {">x; chmod 0 x", "x", "x", nil, true},
	"directory in place":      {"mkdir x", "x", "", unix.EISDIR, true},
	"full directory in place": {"mkdir -p x/y", "x", "", unix.EISDIR, true},
	"temporary is a link": {
		"ln -s $HOST/victim .binlibdepcp-x", "x",
		"x", nil, true,
	},
	"temporary is dangling":    {"ln -s $HOST/new .binlibdepcp-x", "x", "x", nil, true},
	"temporary is a hard link": {"ln $HOST/victim .binlibdepcp-x", "x", "x", nil, true},
	"temporary is a FIFO":      {"mkfifo .binlibdepcp-x", "x", "x", nil, true},
	"temporary is old":         {"echo half >.binlibdepcp-x", "x", "x", nil, true},
	"temporary is a directory": {"mkdir .binlibdepcp-x", "x", "", unix.EISDIR, true},
}

func TestHostile(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, fallback bool) {
		for what, test := range hostile {
			if fallback && !test.fallback {
				test.inside, test.refused = "", errEscapes
			}
			for how := range writers {
				t.Run(what+"/"+how, func(t *testing.T) {
					top := t.TempDir()
					host, dir := top+"/host", top+"/jail"
					shell(t, top, "mkdir jail host host/dir; echo precious "+
						">host/victim; echo old >jail/old")
					shell(t, dir, test.script, "HOST="+host)
					inside := strings.Replace(test.inside, "$HOST", host, 1)
					outside := tree(t, host)
					before := tree(t, dir)
					err := writers[how](t, open(dir), test.name)
					if inside == "" {
						refused(t, err, test.refused, dir)
						assert.Equal(t, before, tree(t, dir))
					} else {
						require.NoError(t, err)
						written(t, how, dir+"/"+inside)
						noTemporary(t, dir)
						outside = unlinked(outside) // if the jail had a hard link
					}
					assert.Equal(t, outside, tree(t, host))
				})
			}
		}
	})
}

// errEscapes stands for the error of os.Root, which has no variable for it.
var errEscapes = errors.New("path escapes from parent")

func refused(t *testing.T, err, want error, dir string) {
	t.Helper()
	if errors.Is(want, errEscapes) {
		assert.ErrorContains(t, err, want.Error())
	} else {
		assert.ErrorIs(t, err, want)
	}
	assert.ErrorContains(t, err, " "+dir+"/")
}

// written asserts that a file is what one of the writers makes.
func written(t *testing.T, how, name string) {
	t.Helper()
	switch how {
	case "symlink":
		target, err := os.Readlink(name)
		require.NoError(t, err)
		assert.Equal(t, "new", target)
	case "link":
		assert.Equal(t, "old\n", content(t, name))
	default:
		assert.Equal(t, "new", content(t, name))
	}
}

// unlinked returns a tree in which the victim has one link less.
func unlinked(lines []string) []string {
	for i, line := range lines {
		if strings.Contains(line, "precious") {
			lines[i] = strings.Replace(line, "links 2", "links 1", 1)
		}
	}
	return lines
}

// What appears at the temporary name after the look is neither followed nor written to.
func TestCreate(t *testing.T) {
	top := t.TempDir()
	shell(t, top, "mkdir jail; echo precious >victim; cd jail; ln -s ../victim link; "+
		"ln -s ../new dangling; "+
		"ln ../victim hard; mkfifo fifo; mkdir dir")
	before := tree(t, top)
	fd, err := unix.Open(top+"/jail", unix.O_PATH|unix.O_DIRECTORY, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	for _, name := range []string{"link", "dangling", "hard", "fifo", "dir"} {
		_, err := create(fd, name)
		assert.ErrorIs(t, err, unix.EEXIST, name)
	}
	assert.Equal(t, before, tree(t, top))
}

// MkdirAll, and the directories that the others make, stay inside too.
func TestHostileMkdir(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, fallback bool) {
		for script, want := range map[string]error{
			"ln -s $HOST/dir a":                     unix.ENOENT,
			"ln -s ../../../../../../../../$HOST a": unix.ENOENT,
			"ln -s $HOST/new a":                     unix.ENOENT,
			"ln -s a a":                             unix.ELOOP,
			">a":                                    unix.ENOTDIR,
			"mkdir -p ./$HOST/dir; ln -s $HOST/dir a": nil,
		} {
			top := t.TempDir()
			host, dir := top+"/host", top+"/jail"
			shell(t, top, "mkdir jail host host/dir; echo precious >host/victim")
			shell(t, dir, script, "HOST="+host)
			before := tree(t, host)
			r := open(dir)
			for _, name := range []string{"a/b", "/a/b/c/"} {
				err := r.MkdirAll(name)
				switch {
				case fallback && strings.Contains(script, "$HOST"):
					assert.ErrorContains(t, err, "mkdir "+dir+"/a")
					assert.ErrorContains(t, err, ": path escapes from parent")
				case want == nil:
					require.NoError(t, err, script)
					assert.DirExists(t, dir+"/"+host+"/dir/b")
				default:
					assert.ErrorIs(t, err, want, script)
					assert.ErrorContains(t, err, "mkdir "+dir+"/a")
				}
			}
			assert.Equal(t, before, tree(t, host))
		}
	})
}

func TestDangling(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		shell(t, dir, "ln -s usr/lib lib")
		r := open(dir)
		err := r.WriteFile("lib/a/x", nil, 0o644)
		assert.EqualError(t, err,
			"mkdir "+dir+"/lib: dangling symbolic link: no such file or directory")
		require.NoError(t, r.MkdirAll("usr/lib"))
		require.NoError(t, r.WriteFile("lib/a/x", nil, 0o644))
		assert.FileExists(t, dir+"/usr/lib/a/x")
	})
}

// Links of /proc lead anywhere: to the host's root, for one.
func TestMagicLinks(t *testing.T) {
	if !again(t, mountNamespace()) {
		return
	}
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		top := t.TempDir()
		shell(t, top, "mkdir -p jail/proc host; echo precious >host/victim")
		mount(t, "/proc", top+"/jail/proc", "", unix.MS_BIND|unix.MS_REC, "")
		before := tree(t, top+"/host")
		r := open(top + "/jail")
		name := fmt.Sprintf("proc/%d/root%s/host/victim", os.Getpid(), top)
		for _, how := range []string{"copy", "write", "symlink"} {
			assert.Error(t, writers[how](t, r, name), how)
		}
		_, err := r.ReadFile(name, 100)
		assert.Error(t, err)
		_, err = r.Stat(name)
		assert.Error(t, err)
		assert.Equal(t, before, tree(t, top+"/host"))
	})
}

// A directory in the jail becomes a link to the host and back, all the time.
func TestRace(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		top := t.TempDir()
		shell(t, top, "mkdir -p jail/real host/dir; ln -s "+top+"/host/dir jail/link; "+
			"echo old >jail/old")
		before := tree(t, top+"/host")
		r := open(top + "/jail")
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !stop.Load() {
				_ = unix.Renameat2(unix.AT_FDCWD, top+"/jail/real", unix.AT_FDCWD,
					top+"/jail/link",
					unix.RENAME_EXCHANGE)
			}
		})
		// Long enough that both happened: on a busy machine the other thread may sleep
		// through thousands of writes, with the link in the directory's place.
		written, refused := 0, 0
		for i := 0; i < 2000 || written == 0 || refused == 0; i++ {
			if r.WriteFile(fmt.Sprintf("real/%d/x", i), nil, 0o644) == nil {
				written++
			} else {
				refused++
			}
			r.forget() // or a directory would be opened only once
			if i%256 == 0 {
				require.NoError(t, r.Close())
				r = open(top + "/jail")
			}
		}
		stop.Store(true)
		wg.Wait()
		assert.Equal(t, before, tree(t, top+"/host"))
	})
}

func TestDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: making a device takes root")
	}
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		for how, write := range writers {
			dir := t.TempDir()
			shell(t, dir, "echo old >old")
			for _, name := range []string{"x", ".binlibdepcp-x"} {
				if err := unix.Mknod(dir+"/"+name, unix.S_IFCHR|0o666,
					int(unix.Mkdev(1, 3))); err != nil {
					t.Skipf("NOT TESTED: making a device is refused here: %v", err)
				}
			}
			r := open(dir)
			_, err := r.ReadFile("x", 1)
			assert.ErrorIs(t, err, ErrNotRegular)
			require.NoError(t, write(t, r, "x"), how)
			st, err := r.Lstat("x")
			require.NoError(t, err)
			assert.NotEqual(t, uint32(unix.S_IFCHR), st.Mode&unix.S_IFMT)
			noTemporary(t, dir)
		}
	})
}

func TestNoClobber(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		for what, script := range map[string]string{
			"file":           "echo here >x",
			"link":           "echo here >y; ln -s y x",
			"dangling link":  "ln -s nowhere x",
			"link to itself": "ln -s x x",
			"directory":      "mkdir x",
			"FIFO":           "mkfifo x",
		} {
			for how, write := range writers {
				dir := t.TempDir()
				shell(t, dir, "echo old >old")
				shell(t, dir, script)
				before := tree(t, dir)
				r := open(dir)
				r.NoClobber = true
				err := write(t, r, "x")
				assert.ErrorIs(t, err, fs.ErrExist, "%s: %s", what, how)
				if what == "directory" {
					assert.ErrorIs(t, err, unix.EISDIR)
				}
				assert.Equal(t, before, tree(t, dir), "%s: %s", what, how)
				require.NoError(t, write(t, r, "other"), "%s: %s", what, how)
				assert.Len(t, tree(t, dir), len(before)+1)
				require.NoError(t, r.Close())
			}
		}
	})
}

// Something appears after NoClobber has looked. The file system may not know how to
// rename without replacing.
func TestNoClobberRace(t *testing.T) {
	for _, errno := range []error{nil, unix.EINVAL, unix.ENOSYS} {
		for how, write := range writers {
			dir := t.TempDir()
			shell(t, dir, "echo old >old")
			appears := true
			calls := systemCalls
			calls.renameat2 = func(od int, old string, nd int, name string,
				flags uint,
			) error {
				if appears {
					assert.NoError(t, os.WriteFile(dir+"/x", []byte("here"), 0o644))
				}
				if errno != nil {
					return errno
				}
				return unix.Renameat2(od, old, nd, name, flags)
			}
			r, err := open(dir, calls, nil)
			require.NoError(t, err)
			r.NoClobber = true
			assert.ErrorIs(t, write(t, r, "x"), fs.ErrExist, how)
			assert.Equal(t, "here", content(t, dir+"/x"))
			appears = false
			require.NoError(t, write(t, r, "y"), how)
			assert.Len(t, tree(t, dir), 4) // the directory, old, x, y
			require.NoError(t, r.Close())
		}
	}
}

func TestSymlink(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		r := open(dir)
		require.NoError(t, r.Symlink("usr/lib", "/lib"))
		before := tree(t, dir)
		require.NoError(t, r.Symlink("usr/lib", "lib"))
		r.NoClobber = true
		require.NoError(t, r.Symlink("usr/lib", "lib"))
		assert.ErrorIs(t, r.Symlink("usr/lib64", "lib"), fs.ErrExist)
		r.NoClobber = false
		assert.Equal(t, before, tree(t, dir))
		require.NoError(t, r.MkdirAll("usr/lib"))
		assert.EqualError(t, r.Symlink("x", "usr/lib"),
			"symlink "+dir+"/usr/lib: is a directory")
		long := strings.Repeat("a/", 2047) + "a"
		require.NoError(t, r.Symlink(long, "long"))
		target, err := os.Readlink(dir + "/long")
		require.NoError(t, err)
		assert.Equal(t, long, target)
		assert.ErrorIs(t, r.Symlink(long+"a", "long"), unix.ENAMETOOLONG)
	})
}

// A directory that was opened through a link isn't used any more when the link is
// another.
func TestReplacedLink(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		shell(t, dir, "mkdir -p a/sub b/sub; ln -s a lib; echo old >old")
		r := open(dir)
		require.NoError(t, r.WriteFile("lib/sub/x", nil, 0o644))
		require.NoError(t, r.Symlink("b", "lib"))
		require.NoError(t, r.WriteFile("lib/sub/y", nil, 0o644))
		assert.FileExists(t, dir+"/b/sub/y")
		require.NoError(t, r.WriteFile("lib", nil, 0o644))
		assert.ErrorIs(t, r.WriteFile("lib/sub/z", nil, 0o644), unix.ENOTDIR)
	})
}

func TestLink(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		dir := t.TempDir()
		shell(t, dir, "mkdir a b; echo old >a/old; ln -s old a/link; echo here >b/here")
		r := open(dir)
		for _, name := range []string{"b/new", "c/d/new", "b/here", "b/here"} {
			require.NoError(t, r.Link("/a/old", name))
			old, err := r.Lstat("a/old")
			require.NoError(t, err)
			st, err := r.Lstat(name)
			require.NoError(t, err)
			assert.True(t, sameFile(&old, &st))
		}
		old, err := r.Lstat("a/old")
		require.NoError(t, err)
		assert.EqualValues(t, 4, old.Nlink)
		r.NoClobber = true
		require.NoError(t, r.Link("a/old", "b/new"))
		r.NoClobber = false

		require.NoError(t, r.Link("a/link", "b/link"))
		target, err := os.Readlink(dir + "/b/link")
		require.NoError(t, err)
		assert.Equal(t, "old", target)

		assert.EqualError(t, r.Link("a/missing", "x"),
			"link "+dir+"/a/missing: no such file or directory")
		assert.ErrorIs(t, r.Link("missing/x", "x"), fs.ErrNotExist)
		assert.ErrorIs(t, r.Link("a", "x"), fs.ErrPermission)
		assert.ErrorIs(t, r.Link("a/old", "b"), unix.EISDIR)
		noTemporary(t, dir)
	})
}

// rename(2) does nothing if both names are one file already, as they can be by now.
func TestLinkRace(t *testing.T) {
	dir := t.TempDir()
	shell(t, dir, "echo old >old; echo here >x")
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	s, err := r.slot("x")
	require.NoError(t, err)
	require.NoError(t, s.commit(s.make(func() error {
		shell(t, dir, "ln -f old x")
		return unix.Linkat(s.dir, "old", s.dir, s.tmp, 0)
	})))
	s.release()
	noTemporary(t, dir)
}

func TestRead(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, fallback bool) {
		top := t.TempDir()
		dir := top + "/jail"
		shell(t, top, "mkdir jail; echo precious >victim; cd jail; mkdir -p etc/dir; "+
			"echo text >etc/file; "+
			"ln -s file etc/link; ln -s ../../../victim etc/out; "+
			"ln -s "+top+"/victim etc/abs; mkfifo etc/fifo; "+
			"ln -s /etc/file top; ln -s loop loop; >empty")
		r := open(dir)
		data, err := r.ReadFile("etc/link", 5)
		require.NoError(t, err)
		assert.Equal(t, "text\n", string(data))
		data, err = r.ReadFile("empty", 0)
		require.NoError(t, err)
		assert.Empty(t, data)
		_, err = r.ReadFile("etc/link", 4)
		assert.EqualError(t, err,
			"read "+dir+"/etc/link: file too large: more than 4 bytes")
		for _, name := range []string{"etc/dir", "etc/fifo", "/", ""} {
			_, err = r.ReadFile(name, 100)
			assert.ErrorIs(t, err, ErrNotRegular, name)
		}
		for _, name := range []string{"etc/out", "etc/abs", "../victim"} {
			_, err = r.ReadFile(name, 100)
			assert.Error(t, err, name)
			_, err = r.Stat(name)
			assert.Error(t, err, name)
			if !fallback {
				assert.ErrorIs(t, err, fs.ErrNotExist, name)
			}
		}
		_, err = r.Stat("loop")
		assert.ErrorIs(t, err, unix.ELOOP)
		data, err = r.ReadFile("top", 100)
		if fallback {
			assert.Error(t, err)
		} else {
			require.NoError(t, err)
			assert.Equal(t, "text\n", string(data))
		}

		for name, kind := range map[string]uint32{
			"etc/link":  unix.S_IFREG,
			"/etc/fifo": unix.S_IFIFO, "/": unix.S_IFDIR,
		} {
			st, err := r.Stat(name)
			require.NoError(t, err)
			assert.True(t, isKind(&st, kind), name)
			var want unix.Stat_t
			require.NoError(t, unix.Stat(dir+"/"+name, &want))
			want.Atim, st.Atim = unix.Timespec{}, unix.Timespec{}
			assert.Equal(t, want, st)
		}
		for name, kind := range map[string]uint32{
			"etc/link": unix.S_IFLNK,
			"loop":     unix.S_IFLNK, "": unix.S_IFDIR,
		} {
			st, err := r.Lstat(name)
			require.NoError(t, err)
			assert.True(t, isKind(&st, kind), name)
		}
		_, err = r.Lstat("missing/x")
		assert.EqualError(t, err, "lstat "+dir+"/missing/x: no such file or directory")
		// The directory above the jail is out of reach.
		root, err := r.Lstat("/")
		require.NoError(t, err)
		for _, name := range []string{"etc/..", "etc/../"} {
			st, err := r.Lstat(name)
			require.NoError(t, err)
			assert.True(t, sameFile(&root, &st), name)
		}
		st, err := r.Lstat("etc/../..")
		if fallback {
			assert.Error(t, err)
		} else {
			require.NoError(t, err)
			assert.True(t, sameFile(&root, &st))
		}
	})
}

// The file becomes a FIFO after the look.
func TestReadRace(t *testing.T) {
	dir := t.TempDir()
	shell(t, dir, "echo text >x")
	r, err := open(dir, calls{openat2: func(d int, name string,
		how *unix.OpenHow,
	) (int, error) {
		if how.Flags&unix.O_PATH == 0 {
			shell(t, dir, "rm x; mkfifo x")
		}
		return unix.Openat2(d, name, how)
	}}, nil)
	require.NoError(t, err)
	defer r.Close()
	if r.fallback != nil {
		t.Skip("NOT TESTED: there is no openat2 on this machine")
	}
	_, err = r.ReadFile("x", 100)
	assert.ErrorIs(t, err, ErrNotRegular)
}

// System calls that can't copy, or are interrupted, or copy nothing, aren't the end of
// it.
func TestCopyChunk(t *testing.T) {
	src := source(t, "content", 0o644)
	copyFileRange, sendfile := copiers[0], copiers[1]
	fails := func(err error) copier {
		return func(dst, src, n int) (int, error) { return -1, err }
	}
	interrupted := func(call copier) copier {
		times := 0
		return func(dst, src, n int) (int, error) {
			if times++; times < 3 {
				return -1, unix.EINTR
			}
			return call(dst, src, n)
		}
	}
	nothing := func(dst, src, n int) (int, error) { return 0, nil }
	for name, copiers := range map[string][]copier{
		"both":              {copyFileRange, sendfile},
		"another disk":      {fails(unix.EXDEV), sendfile},
		"none":              {fails(unix.ENOSYS), fails(unix.EINVAL)},
		"a seccomp filter":  {fails(unix.EPERM), fails(unix.EPERM)},
		"EIO of CIFS":       {fails(unix.EIO), sendfile},
		"interrupted":       {interrupted(copyFileRange)},
		"both interrupted":  {interrupted(fails(unix.EXDEV)), interrupted(sendfile)},
		"an older kernel's": {nothing, nothing},
	} {
		_, err := src.Seek(0, io.SeekStart)
		require.NoError(t, err)
		dst, err := os.Create(t.TempDir() + "/dst")
		require.NoError(t, err)
		for _, want := range []int64{3, 4, 0} {
			n, err := copyChunk(dst, src, int(max(want, 3)), copiers...)
			assert.NoError(t, err, name)
			assert.Equal(t, want, n, name)
		}
		assert.Equal(t, "content", content(t, dst.Name()), name)
		dst.Close()
	}
	_, err := copyChunk(src, src, 1, fails(unix.ENOSPC), sendfile)
	assert.ErrorIs(t, err, unix.ENOSPC)
}

// The file is in its place already: the jail is /, or a bind mount of it.
func TestSameFile(t *testing.T) {
	dir := t.TempDir()
	shell(t, dir, "echo program >x; echo other >y; ln y z; mkdir d; ln -s ../x d/link")
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	before := tree(t, dir)
	_, err = r.Copy(openFile(t, dir+"/x"), "x")
	require.NoError(t, err)
	assert.Equal(t, before, tree(t, dir))
	// A hard link may be the host's: the jail gets a file of its own.
	_, err = r.Copy(openFile(t, dir+"/y"), "z")
	require.NoError(t, err)
	assert.Equal(t, "other\n", content(t, dir+"/z"))
	y, err := r.Stat("y")
	require.NoError(t, err)
	z, err := r.Stat("z")
	require.NoError(t, err)
	assert.NotEqual(t, y.Ino, z.Ino)
	// A link to it is replaced by a copy; what it led to stays.
	_, err = r.Copy(openFile(t, dir+"/x"), "d/link")
	require.NoError(t, err)
	assert.Equal(t, "program\n", content(t, dir+"/x"))
	assert.Equal(t, "program\n", content(t, dir+"/d/link"))
}

func TestDiskFull(t *testing.T) {
	if !again(t, mountNamespace()) {
		return
	}
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		src := source(t, strings.Repeat("full", 1<<20), 0o755)
		dir := t.TempDir()
		mount(t, "none", dir, "tmpfs", 0, "size=1m,mode=755")
		r := open(dir)
		require.NoError(t, r.WriteFile("usr/old", []byte("old"), 0o644))
		for _, name := range []string{"usr/new", "usr/old"} {
			_, err := r.Copy(src, name)
			assert.EqualError(t, err, "copy "+dir+"/"+name+": no space left on device")
			assert.ErrorIs(t, err, unix.ENOSPC)
			err = r.WriteFile(name, make([]byte, 2<<20), 0o644)
			assert.EqualError(t, err, "write "+dir+"/"+name+": no space left on device")
		}
		assert.Equal(t, "old", content(t, dir+"/usr/old"))
		assert.Len(t, tree(t, dir), 3)
		_, err := r.Copy(source(t, "small", 0o644), "usr/new")
		require.NoError(t, err)
	})
}

// A program that is being executed can't be written to, but replaced.
func TestTextBusy(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	_, err = r.Copy(openFile(t, sleep), "sleep")
	require.NoError(t, err)
	cmd := exec.Command("sleep", "60")
	cmd.Path = dir + "/sleep"
	require.NoError(t, cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	_, err = os.OpenFile(dir+"/sleep", os.O_WRONLY, 0)
	require.ErrorIs(t, err, unix.ETXTBSY)
	_, err = r.Copy(source(t, "new", 0o755), "sleep")
	require.NoError(t, err)
	assert.Equal(t, "new", content(t, dir+"/sleep"))
}

func TestChanged(t *testing.T) {
	for what, change := range map[string]string{
		"grows":   "echo x >>$SRC",
		"shrinks": "truncate -s 1 $SRC",
		"touched": "touch $SRC",
		"back": "touch -r $SRC old; printf x | dd of=$SRC conv=notrunc status=none; " +
			"touch -r old $SRC",
	} {
		t.Run(what, func(t *testing.T) {
			src := source(t, "content", 0o644)
			tick(t, src)
			dir := t.TempDir()
			r, err := open(dir, slowly(func() {
				assert.FileExists(t, dir+"/.binlibdepcp-x")
				shell(t, t.TempDir(), change, "SRC="+src.Name())
			}), nil)
			require.NoError(t, err)
			defer r.Close()
			require.NoError(t, r.WriteFile("x", []byte("old"), 0o644))
			_, err = r.Copy(src, "x")
			assert.ErrorIs(t, err, ErrChanged)
			assert.EqualError(t, err, "copy "+src.Name()+": changed while it was copied")
			assert.Equal(t, "old", content(t, dir+"/x"))
			noTemporary(t, dir)
		})
	}
}

// tick waits until the clock that times of files are taken from is past those of a file.
func tick(t *testing.T, src *os.File) {
	t.Helper()
	ctime := func(name string) int64 {
		info, err := os.Stat(name)
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Ctim.Nano()
	}
	later := t.TempDir() + "/later"
	for now := int64(0); now <= ctime(src.Name()); now = ctime(later) {
		require.NoError(t, os.WriteFile(later, []byte("x"), 0o600))
	}
}

func TestStop(t *testing.T) {
	dir := t.TempDir()
	var r *Root
	r, err := open(dir, slowly(func() { r.Stop() }), nil)
	require.NoError(t, err)
	_, err = r.Copy(source(t, "content", 0o644), "x")
	assert.EqualError(t, err, "copy "+dir+"/x: stopped")
	assert.ErrorIs(t, err, ErrStopped)
	assert.Len(t, tree(t, dir), 1)
	for how, write := range writers {
		assert.ErrorIs(t, write(t, r, "y"), ErrStopped, how)
	}
	assert.ErrorIs(t, r.MkdirAll("y"), ErrStopped)
	assert.Len(t, tree(t, dir), 1)
	require.NoError(t, r.Close())

	// In the last moment, before the rename.
	r, err = Open(dir)
	require.NoError(t, err)
	s, err := r.slot("x")
	require.NoError(t, err)
	require.NoError(t, s.make(func() error { return unix.Symlinkat("x", s.dir, s.tmp) }))
	r.Stop()
	assert.ErrorIs(t, s.commit(nil), ErrStopped)
	s.release()
	assert.Len(t, tree(t, dir), 1)
	require.NoError(t, r.Close())
}

// Close waits for what is under way.
func TestCloseWaits(t *testing.T) {
	dir := t.TempDir()
	var r *Root
	closing := make(chan error, 1)
	r, err := open(dir, slowly(func() {
		go func() { closing <- r.Close() }()
		for r.using.TryRLock() { // until Close waits for the writer's lock
			r.using.RUnlock()
		}
	}), nil)
	require.NoError(t, err)
	_, err = r.Copy(source(t, "content", 0o644), "x")
	require.NoError(t, err)
	require.NoError(t, <-closing)
	assert.Equal(t, "content", content(t, dir+"/x"))
}

// What a killed run leaves, the next run removes: from the directory of a file that it
// writes, and with Begin from everywhere.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("JAIL_TEST_KILLED"); dir != "" {
		r, err := open(dir, slowly(func() { time.Sleep(time.Hour) }), nil)
		require.NoError(t, err)
		require.NoError(t, r.Begin())
		_, err = r.Copy(source(t, "content", 0o644), "usr/x")
		t.Fatal("not killed: ", err)
	}
	for _, name := range []string{"usr/x", "etc/y"} {
		dir := t.TempDir()
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "JAIL_TEST_KILLED="+dir)
		require.NoError(t, cmd.Start())
		tmp := dir + "/usr/.binlibdepcp-x"
		waitFor(tmp)
		_, err := Open(dir)
		assert.ErrorIs(t, err, ErrBusy)
		require.NoError(t, cmd.Process.Kill())
		assert.EqualError(t, cmd.Wait(), "signal: killed")
		assert.FileExists(t, tmp)
		assert.NoFileExists(t, dir+"/usr/x")

		r, err := Open(dir)
		require.NoError(t, err)
		if name == "etc/y" {
			require.NoError(t, r.Begin())
		}
		_, err = r.Copy(source(t, "small", 0o644), name)
		require.NoError(t, err)
		assert.Equal(t, "small", content(t, dir+"/"+name))
		require.NoError(t, r.Close())
		if name == "etc/y" {
			noTemporary(t, dir)
		} else {
			assert.NoFileExists(t, tmp)
		}
	}
}

// The mark is there from Begin to Close. A mark that is something else, because a process
// in the jail made it, is neither followed nor waited for.
func TestBegin(t *testing.T) {
	for script, leftover := range map[string]bool{
		":":                               false,
		">.binlibdepcp-":                  true,
		"ln -s $HOST/new .binlibdepcp-":   true,
		"ln -s $HOST/file .binlibdepcp-":  true,
		"mkfifo .binlibdepcp-":            true,
		"mkdir -p .binlibdepcp-/full":     true,
		"ln $HOST/file .binlibdepcp-":     true,
		"chmod 0 usr/lib; >.binlibdepcp-": true,
	} {
		top := t.TempDir()
		host, dir := top+"/host", top+"/jail"
		shell(t, top, "mkdir -p host jail/usr/lib; echo precious >host/file; echo half "+
			">jail/usr/.binlibdepcp-x")
		shell(t, dir, script, "HOST="+host)
		before := content(t, host+"/file")
		r, err := Open(dir)
		require.NoError(t, err)
		err = r.Begin()
		if err != nil { // of the directory that a plain user can't read
			assert.ErrorIs(t, err, unix.EACCES, script)
			require.NoError(t, os.Chmod(dir+"/usr/lib", 0o755))
		}
		_, marked := os.Lstat(dir + "/" + prefix)
		assert.NoError(t, marked, script)
		_, there := os.Lstat(dir + "/usr/.binlibdepcp-x")
		assert.Equal(t, leftover, there != nil, script)
		require.NoError(t, r.Close())
		if !strings.Contains(script, "mkdir") {
			_, marked = os.Lstat(dir + "/" + prefix)
			assert.ErrorIs(t, marked, fs.ErrNotExist, script)
		}
		assert.Equal(t, before, content(t, host+"/file"))
		assert.NoFileExists(t, host+"/new")
	}
}

// Wait waits for the lock, and says before that it will.
func TestWait(t *testing.T) {
	dir := t.TempDir()
	r, err := Wait(dir, func() { t.Error("nobody has the lock") })
	require.NoError(t, err)
	busy := make(chan bool)
	opened := make(chan error)
	go func() {
		r, err := Wait(dir, func() { close(busy) })
		if err == nil {
			err = r.Close()
		}
		opened <- err
	}()
	<-busy
	select {
	case <-opened:
		t.Error("two have the lock")
	default:
	}
	require.NoError(t, r.Close())
	require.NoError(t, <-opened)
}

// A copy has the holes of its source, wherever they are.
func TestHoles(t *testing.T) {
	const part = 64 << 10
	for what, data := range map[string][]int64{ // which of 100 parts are data
		"none":            {},
		"at the start":    {0},
		"in the middle":   {50},
		"at the end":      {99},
		"here and there":  {0, 1, 30, 31, 32, 60, 98},
		"after the start": {1, 99},
	} {
		src := source(t, "", 0o644)
		f, err := os.OpenFile(src.Name(), os.O_WRONLY, 0)
		require.NoError(t, err)
		for _, at := range data {
			_, err := f.WriteAt([]byte(strings.Repeat(fmt.Sprint(at%10), part)), at*part)
			require.NoError(t, err)
		}
		require.NoError(t, f.Truncate(100*part))
		require.NoError(t, f.Close())
		var want unix.Stat_t
		require.NoError(t, unix.Stat(src.Name(), &want))
		if want.Blocks*512 >= want.Size {
			t.Skip("NOT TESTED: the file system of TMPDIR has no holes")
		}
		for name, calls := range map[string]calls{
			"kernel":  systemCalls,
			"by hand": {unix.Openat2, unix.Renameat2, nil},
		} {
			dir := t.TempDir()
			r, err := open(dir, calls, nil)
			require.NoError(t, err)
			_, err = r.Copy(src, "x")
			require.NoError(t, err)
			st, err := r.Stat("x")
			require.NoError(t, err)
			assert.LessOrEqual(t, st.Blocks, want.Blocks+64, "%s, %s", what, name)
			assert.True(t, content(t, src.Name()) == content(t, dir+"/x"),
				"%s, %s", what, name)
			require.NoError(t, r.Close())
		}
	}
}

func TestConcurrent(t *testing.T) {
	both(t, func(t *testing.T, open func(string) *Root, _ bool) {
		for dirs, goroutines := range map[int]int{1: 64, 3: 32, 1000: 3} {
			dir := t.TempDir()
			r := open(dir)
			var wg sync.WaitGroup
			for g := range goroutines {
				src := source(t, fmt.Sprint(g), 0o644)
				wg.Go(func() { writeAll(t, r, src, g, dirs) })
			}
			wg.Wait()
			for i := range dirs {
				for g := range goroutines {
					assert.Equal(t, fmt.Sprint(g),
						content(t, fmt.Sprintf("%s/d%d/e/own%d", dir, i, g)))
				}
				entries, err := os.ReadDir(fmt.Sprintf("%s/d%d/e", dir, i))
				require.NoError(t, err)
				want := goroutines + 1 // with the symbolic link
				if i < sharing {
					want++
				}
				assert.Len(t, entries, want)
			}
			noTemporary(t, filepath.Clean(dir))
			require.NoError(t, r.Close())
		}
	})
}

// sharing is in how many directories all goroutines write the same file.
const sharing = 3

// writeAll is what goroutine g of TestConcurrent does in each directory.
func writeAll(t *testing.T, r *Root, src *os.File, g, dirs int) {
	for i := range dirs {
		_, err := r.Copy(src, fmt.Sprintf("d%d/e/own%d", i, g))
		assert.NoError(t, err)
		if i < sharing {
			_, err := r.Copy(src, fmt.Sprintf("d%d/e/same", i))
			assert.NoError(t, err)
		}
		assert.NoError(t, r.Link(fmt.Sprintf("d%d/e/own%d", i, g),
			fmt.Sprintf("d%d/link", i)))
		assert.NoError(t, r.Symlink(fmt.Sprint(g), fmt.Sprintf("d%d/e/symlink", i)))
		assert.NoError(t, r.MkdirAll(fmt.Sprintf("d%d/f/g", i)))
	}
}
