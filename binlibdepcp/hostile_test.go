//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/steptest"
)

// soon is the time in which a call has to end that has no reason to take long, on a busy
// machine. A loop over all that a file claims would take minutes.
const soon = 20 * time.Second

// call runs binlibdepcp in a directory.
func call(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	cmd := exec.CommandContext(ctx, steptest.Bin("binlibdepcp"), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	_ = cmd.Run()
	require.NoError(t, ctx.Err(), "%v didn't end", args)
	require.True(t, cmd.ProcessState.Exited(), "%v: %v", args, cmd.ProcessState)
	require.NotContains(t, errs.String(), "goroutine ")
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// temporaries returns the temporary files that a run has left in a jail.
func temporaries(t *testing.T, jail string) (names []string) {
	err := filepath.WalkDir(jail, func(path string, d os.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".binlibdepcp-") {
			names = append(names, path)
		}
		return err
	})
	require.NoError(t, err)
	return names
}

// A minimal is an ELF program of a header, two segments and a dynamic section.
type minimal struct {
	dynamic []elf.Dyn64 // without the strings' tags and DT_NULL
	strings string
}

func (m minimal) bytes() []byte {
	const phoff, dynoff = 64, 64 + 2*56
	dynamic := append(m.dynamic,
		elf.Dyn64{Tag: int64(elf.DT_STRTAB), Val: uint64(dynoff + 16*(len(m.dynamic)+3))},
		elf.Dyn64{Tag: int64(elf.DT_STRSZ), Val: uint64(len(m.strings))},
		elf.Dyn64{})
	size := uint64(16 * len(dynamic))
	all := dynoff + size + uint64(len(m.strings))
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_DYN),
			Machine: uint16(
				elf.EM_X86_64),
			Version: 1, Phoff: phoff, Ehsize: 64, Phentsize: 56, Phnum: 2,
		},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: 4, Filesz: all, Memsz: all},
		elf.Prog64{
			Type: uint32(elf.PT_DYNAMIC), Off: dynoff, Vaddr: dynoff,
			Filesz: size, Memsz: size,
		},
		dynamic, []byte(m.strings),
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// Programs that are cut off, or whose headers lie, give an error or are copied as far as
// they make sense; the call ends soon, and without a panic.
func TestLyingHeaders(t *testing.T) {
	steptest.NeedsHost(t)
	program, err := os.ReadFile("/bin/sh")
	require.NoError(t, err)
	f, err := elf.NewFile(bytes.NewReader(program))
	require.NoError(t, err)
	dir := t.TempDir()
	try := func(what string, content []byte, errors ...string) {
		t.Helper()
		require.NoError(t, os.WriteFile(dir+"/lying", content, 0o755))
		status, stdout, stderr := call(t, dir, "-l", "lying")
		assert.Contains(t, []int{0, 1}, status, what)
		said := false // an error, and not just a note
		for line := range strings.Lines(stderr) {
			said = said || strings.HasPrefix(line, "binlibdepcp: ") &&
				!strings.Contains(line, ": note: ")
		}
		assert.Equal(t, status != 0, said, "%s: status %d\n%s%s", what,
			status, stdout, stderr)
		for _, text := range errors {
			assert.Equal(t, 1, status, what)
			assert.Contains(t, stderr, text, what)
		}
	}
	for _, size := range []int{4, 5, 16, 17, 51, 52, 63} {
		try(fmt.Sprint(size, " bytes"), program[:size], "file too short")
	}
	for _, size := range []int{
		0, 3, 64, 65, 120, 200, 1000, 4095, 4096,
		len(program) / 2,
	} {
		try(fmt.Sprint(size, " bytes"), program[:size])
	}
	for at := 16; at < 64+56*len(f.Progs); at += 4 {
		lying := bytes.Clone(program)
		copy(lying[at:], "\xff\xff\xff\xff\xff\xff\xff\xff"[:2+at%7])
		try(fmt.Sprint("ones at ", at), lying)
	}
	random := rand.New(rand.NewSource(1))
	dynamic := f.Section(".dynamic")
	for range 100 {
		lying := bytes.Clone(program)
		at := int(dynamic.Offset) + 8*random.Intn(int(dynamic.Size)/8)
		binary.LittleEndian.PutUint64(lying[at:], random.Uint64()>>random.Intn(64))
		try(fmt.Sprint("dynamic section at ", at), lying)
	}
	m := minimal{dynamic: []elf.Dyn64{{Tag: int64(elf.DT_NEEDED), Val: 1 << 40}}}
	try("string", m.bytes(), "DT_NEEDED: string at 1099511627776")
	b := minimal{}.bytes()
	clear(b[64+56+40 : 64+56+48]) // PT_DYNAMIC has no bytes
	try("no dynamic section", b, "doesn't end in DT_NULL")
}

// Hundreds of thousands of names, in a program or in ld.so.cache, end in a clear error
// or in time.
func TestManyEntries(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	for _, test := range []struct {
		n    int
		text string
	}{{300_000, "dynamic section doesn't end"}, {
		60_000,
		"60000 names in the dynamic section",
	}} {
		var m minimal
		for i := range test.n {
			m.dynamic = append(m.dynamic, elf.Dyn64{
				Tag: int64(elf.DT_NEEDED),
				Val: uint64(len(m.strings)),
			})
			if i%1000 == 0 {
				m.strings += fmt.Sprintf("lib%d.so\x00", i)
			}
		}
		m.strings += "end\x00"
		require.NoError(t, os.WriteFile(dir+"/many", m.bytes(), 0o755))
		status, _, stderr := call(t, dir, "many", "jail")
		assert.Equal(t, 1, status)
		assert.Contains(t, stderr, "binlibdepcp: read many: ")
		assert.Contains(t, stderr, test.text)
		assert.Less(t, len(stderr), 500)
		assert.NoDirExists(t, dir+"/jail")
	}

	// 4,000 libraries aren't too many to be looked for.
	var m minimal
	for i := range 4000 {
		m.dynamic = append(m.dynamic, elf.Dyn64{
			Tag: int64(elf.DT_NEEDED),
			Val: uint64(len(m.strings)),
		})
		m.strings += fmt.Sprintf("libnonesuch%d.so\x00", i)
	}
	require.NoError(t, os.WriteFile(dir+"/many", m.bytes(), 0o755))
	status, _, stderr := call(t, dir, "-l", "many")
	assert.Equal(t, 1, status)
	assert.Equal(t, 4000, strings.Count(stderr, ": not found\n"))

	// A cache of 300,000 entries, all of one library, and one that claims four billion.
	tree := dir + "/tree"
	status, _, stderr = call(t, dir, "/bin/sh", tree)
	require.Zero(t, status, stderr)
	const n = 300_000
	cache := append([]byte("glibc-ld.so.cache1.1"), make([]byte, 28)...)
	binary.LittleEndian.PutUint32(cache[20:], n)
	cache[28] = 2
	entry := make([]byte, 24)
	binary.LittleEndian.PutUint32(entry, 0x303)
	binary.LittleEndian.PutUint32(entry[4:], 48+24*n)
	binary.LittleEndian.PutUint32(entry[8:], 48+24*n)
	cache = append(append(cache, bytes.Repeat(entry, n)...), "libc.so.6\x00"...)
	require.NoError(t, os.WriteFile(tree+"/etc/ld.so.cache", cache, 0o644))
	status, _, stderr = call(t, dir, "--root", tree, "/bin/sh", "jail")
	assert.Zero(t, status, stderr)
	info, err := os.Stat(dir + "/jail/etc/ld.so.cache")
	if err == nil {
		assert.Less(t, info.Size(), int64(1000), "the entries' files aren't there")
	}
	binary.LittleEndian.PutUint32(cache[20:], 0xffffffff)
	require.NoError(t, os.WriteFile(tree+"/etc/ld.so.cache", cache, 0o644))
	status, _, stderr = call(t, dir, "--root", tree, "/bin/sh", "jail2")
	assert.Zero(t, status,
		"one that can't be read has no entries, as for ld.so: %s", stderr)
}

// Links to "." in a directory of terminal descriptions make no paths without end, and a
// directory of too many files is named.
func TestEndlessTree(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	status, _, stderr := call(t, dir, "-q", "/bin/sh", "tree")
	require.Zero(t, status, stderr)
	terms := dir + "/tree/usr/share/terminfo"
	require.NoError(t, os.MkdirAll(terms+"/x", 0o755))
	for _, name := range []string{"/x/xterm", "/x/a", "/x/b"} {
		require.NoError(t, os.Symlink(".", terms+name))
	}
	status, stdout, stderr := call(t, dir, "-l", "--root", "tree", "--with",
		"terminfo", "/bin/sh")
	assert.Zero(t, status, stderr)
	assert.NotContains(t, stdout, "xterm")

	require.NoError(t, os.Mkdir(terms+"/v", 0o755))
	require.NoError(t, os.Mkdir(terms+"/v/vt100", 0o755))
	require.NoError(t, os.WriteFile(dir+"/0", nil, 0o644))
	for i := range 100_001 {
		require.NoError(t, os.Link(dir+fmt.Sprint("/", i/30_000*30_000),
			fmt.Sprint(terms, "/v/vt100/", i)))
		if (i+1)%30_000 == 0 { // a file has at most 65,000 links
			require.NoError(t, os.WriteFile(dir+fmt.Sprint("/", i+1), nil, 0o644))
		}
	}
	status, _, stderr = call(t, dir, "-l", "--root", "tree", "--with",
		"terminfo", "/bin/sh")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr,
		"binlibdepcp: read /usr/share/terminfo/v/vt100: more than 100000 names\n")
}

// A search path with more directories than any program has, and names that are searched
// for in all of them, end in time, with an error that names the limit.
func TestLongSearchPath(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	searchPath := func(directories, needs int) minimal {
		m := minimal{strings: "\x00"}
		add := func(tag elf.DynTag, text string) {
			m.dynamic = append(m.dynamic, elf.Dyn64{
				Tag: int64(tag),
				Val: uint64(len(m.strings)),
			})
			m.strings += text + "\x00"
		}
		var dirs []string
		for i := range directories { // all are /usr, each by another name
			dirs = append(dirs, "/usr"+strings.NewReplacer("0", "//", "1",
				"/.").Replace(fmt.Sprintf("%011b/.", i)))
		}
		add(elf.DT_RPATH, strings.Join(dirs, ":"))
		for i := range needs {
			add(elf.DT_NEEDED, fmt.Sprintf("libnonesuch%d.so", i))
		}
		return m
	}
	for _, test := range []struct {
		directories, needs int
		text               string
	}{
		{1000, 4000, "search for what is needed by .*/long: more than the limit of " +
			"67108864 bytes of paths to look at"},
		{1100, 1, "RPATH of .*/long: more than the limit of 1024 directories"},
		{2000, 1, "read long: DT_RPATH: more than the limit of 65536 bytes"},
	} {
		m := searchPath(test.directories, test.needs)
		if test.directories == 2000 {
			m.strings = strings.ReplaceAll(m.strings, "/usr", "/usr///////////////")
		}
		require.NoError(t, os.WriteFile(dir+"/long", m.bytes(), 0o755))
		status, _, stderr := call(t, dir, "-l", "long")
		assert.Equal(t, 1, status)
		assert.Regexp(t, "(?m)^binlibdepcp: "+test.text+"$", stderr)
	}
}

// A jail's list of libraries that is too large is neither read nor replaced.
func TestLargeCache(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+"/jail/etc", 0o755))
	require.NoError(t, os.WriteFile(dir+"/jail/etc/ld.so.cache",
		make([]byte, 64<<20), 0o644))
	status, _, stderr := call(t, dir, "-q", "/bin/sh", "jail")
	assert.Equal(t, 1, status)
	assert.Equal(t,
		"binlibdepcp: the jail's list of libraries: read jail/etc/ld.so.cache: "+
			"file too large: more than 8388608 bytes; remove it\n", stderr)
	require.NoError(t, os.Remove(dir+"/jail/etc/ld.so.cache"))
	status, _, stderr = call(t, dir, "-q", "/bin/sh", "jail")
	assert.Zero(t, status, stderr)
}

// In a user namespace with a range of IDs, a program whose owner isn't mapped doesn't
// become one that is set-user-ID nobody. A note says so.
func TestUnmappedOwner(t *testing.T) {
	steptest.NeedsHost(t)
	uids, err := os.ReadFile("/proc/self/uid_map")
	require.NoError(t, err)
	if !strings.Contains(string(uids), "4294967295") || os.Geteuid() != 0 {
		t.Skip("NOT TESTED: mapping a range of IDs takes root")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.WriteFile(dir+"/program", minimal{}.bytes(), 0o755))
	require.NoError(t, os.Chmod(dir+"/program", 0o755|os.ModeSetuid))
	require.NoError(t, os.Mkdir(dir+"/jail", 0o755))
	require.NoError(t, os.Chown(dir+"/jail", 100_000, 100_000))
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100_000, Size: 65536}}
	var stderr bytes.Buffer
	cmd := exec.Command(steptest.Bin("binlibdepcp"), "program", "jail")
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: ids, GidMappings: ids,
		Credential: &syscall.Credential{},
	}
	require.NoError(t, cmd.Run(), &stderr)
	assert.Equal(t, "binlibdepcp: note: without setuid, which only the host's root can "+
		"give: program\n", stderr.String())
	info, err := os.Stat(dir + "/jail" + dir + "/program")
	require.NoError(t, err)
	assert.EqualValues(t, 0o755, info.Mode())
	assert.EqualValues(t, 100_000, info.Sys().(*syscall.Stat_t).Uid)
}

// large makes a program that takes a while to be copied, in a file system of its own.
func large(t *testing.T) (dir string) {
	dir = t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=600m"))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	content := append(minimal{}.bytes(), make([]byte, 160<<20)...)
	require.NoError(t, os.WriteFile(dir+"/large", content[:160<<20], 0o755))
	return dir
}

// during starts a copy of the large program, and stops it in the middle by SIGSTOP.
func during(t *testing.T, dir string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	cmd, stderr = exec.Command(steptest.Bin("binlibdepcp"), "large",
		"jail"), new(bytes.Buffer)
	cmd.Dir, cmd.Stderr = dir, stderr
	require.NoError(t, cmd.Start())
	temporary := func() bool {
		names, _ := filepath.Glob(dir + "/jail" + dir + "/.binlibdepcp-*")
		return names != nil
	}
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(
		100 * time.Microsecond) {
		if !temporary() {
			continue
		}
		require.NoError(t, cmd.Process.Signal(unix.SIGSTOP))
		// A system call under way, a chunk of the copy, ends before the process stops.
		var info unix.Siginfo
		require.NoError(t, unix.Waitid(unix.P_PID, cmd.Process.Pid, &info,
			unix.WSTOPPED|unix.WNOWAIT, nil))
		require.True(t, temporary(), "it is complete already")
		return cmd, stderr
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("nothing is copied: %s", stderr)
	return nil, nil
}

// goOn lets a stopped process go on.
func goOn(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(unix.SIGCONT))
}

// complete makes the same call again.
func complete(t *testing.T, dir string) {
	t.Helper()
	status, _, stderr := call(t, dir, "large", "jail")
	assert.Zero(t, status, stderr)
	assert.Empty(t, temporaries(t, dir+"/jail"))
	info, err := os.Stat(dir + "/jail" + dir + "/large")
	if assert.NoError(t, err) {
		assert.EqualValues(t, 160<<20, info.Size())
	}
}

// A signal ends the call as it should end a program, and leaves no half file; the same
// call completes it.
func TestInterrupted(t *testing.T) {
	steptest.NeedsHost(t)
	for _, signal := range []unix.Signal{
		unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT,
	} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			dir := large(t)
			cmd, stderr := during(t, dir)
			require.NoError(t, cmd.Process.Signal(signal))
			goOn(t, cmd)
			_ = cmd.Wait()
			assert.Equal(t, signal, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(),
				"%v", cmd.ProcessState)
			assert.Equal(t, "binlibdepcp: write jail: stopped\n  the same command "+
				"completes it\n", stderr.String())
			assert.Empty(t, temporaries(t, dir+"/jail"))
			assert.NoFileExists(t, dir+"/jail"+dir+"/large")
			complete(t, dir)
		})
	}
}

// A signal ends the writing of an image, and leaves neither a half image nor the jail
// that the image is made of.
func TestImageInterrupted(t *testing.T) {
	steptest.NeedsHost(t)
	for _, signal := range []unix.Signal{
		unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGKILL,
	} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			dir, stderr := t.TempDir(), new(bytes.Buffer)
			require.NoError(t, os.Mkdir(dir+"/jail", 0o755))
			// It would take minutes to read, and takes no room.
			require.NoError(t, os.WriteFile(dir+"/jail/endless", nil, 0o600))
			require.NoError(t, os.Truncate(dir+"/jail/endless", 1<<40))
			cmd := exec.Command(steptest.Bin("binlibdepcp"), "--image", "x.tar", "jail")
			cmd.Dir, cmd.Stderr = dir, stderr
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			counters := fmt.Sprintf("/proc/%d/io", cmd.Process.Pid)
			require.Eventually(t, func() bool {
				text, _ := os.ReadFile(counters)
				return regexp.MustCompile(`(?m)^wchar: \d{7}`).Match(text)
			}, soon, time.Millisecond)
			require.NoError(t, cmd.Process.Signal(signal))
			_ = cmd.Wait()
			assert.Equal(t, signal, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(),
				"%v", cmd.ProcessState)
			if signal != unix.SIGKILL {
				assert.Equal(t, "binlibdepcp: write x.tar: stopped\n  the same command "+
					"completes it\n", stderr.String())
			}
			names, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, names, 1)
			assert.Equal(t, "jail", names[0].Name())
		})
	}
}

// A call that is killed while it copies the files of an image leaves them. The next call
// removes them, but not those of a call that is under way.
func TestImageKilled(t *testing.T) {
	steptest.NeedsHost(t)
	dir := large(t)
	start := func(program string) *exec.Cmd {
		cmd := exec.Command(steptest.Bin("binlibdepcp"), "-q", "--image", "x.tar", program)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
		return cmd
	}
	left := func() []string {
		names, err := filepath.Glob(dir + "/binlibdepcp-image-*")
		require.NoError(t, err)
		return names
	}
	stopped := start("large")
	require.NoError(t, stopped.Start())
	t.Cleanup(func() { _ = stopped.Process.Kill() })
	copies := func() bool {
		names, _ := filepath.Glob(dir + "/binlibdepcp-image-*/jail" + dir + "/.bin*")
		return names != nil
	}
	for end := time.Now().Add(soon); !copies() && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
	require.NoError(t, stopped.Process.Signal(unix.SIGSTOP))
	used := left()
	require.Len(t, used, 1)
	require.NoError(t, os.MkdirAll(dir+"/binlibdepcp-image-1/jail", 0o700))
	out, err := start("/bin/sh").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, used, left())

	require.NoError(t, stopped.Process.Kill())
	_ = stopped.Wait()
	assert.Equal(t, used, left())
	out, err = start("/bin/sh").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Empty(t, left())
}

// Ctrl-\ ends a call that only lists, too, without a core file and without the stacks of
// goroutines. PID 1 of a PID namespace can't die of its own signal.
func TestQuit(t *testing.T) {
	steptest.NeedsHost(t)
	for name, flags := range map[string]uintptr{"": 0, "PID 1": unix.CLONE_NEWPID} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer r.Close()
			_, err = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
			require.NoError(t, err)
			cmd, stderr := exec.Command("sh", "-c", `ulimit -c $(ulimit -Hc); exec "$@"`,
				"sh", steptest.Bin("binlibdepcp"), "--json", "-l", "sh", "ls", "cat", "cp", "mv",
				"rm"), new(bytes.Buffer)
			cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), w, stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
			require.NoError(t, cmd.Start())
			w.Close()
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			require.Eventually(t, func() bool { // nobody reads the rest
				n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
				return err == nil && n >= 4096
			}, soon, time.Millisecond)
			require.NoError(t, cmd.Process.Signal(unix.SIGQUIT))
			_ = cmd.Wait()
			ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if flags == 0 {
				assert.Equal(t, unix.SIGQUIT, ws.Signal(), "%v", cmd.ProcessState)
			} else {
				assert.Equal(t, 131, ws.ExitStatus(), "%v", cmd.ProcessState)
			}
			assert.False(t, ws.CoreDump())
			assert.Empty(t, stderr.String())
		})
	}
}

// Against SIGKILL there is nothing to be done, but a half file has no real name, and the
// next call removes it, whatever that call is for.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	for _, next := range []string{"large", "/bin/sh"} {
		dir := large(t)
		cmd, _ := during(t, dir)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		assert.Len(t, temporaries(t, dir+"/jail"), 2, "the file and the mark")
		assert.NoFileExists(t, dir+"/jail"+dir+"/large")
		status, _, stderr := call(t, dir, next, "jail")
		assert.Zero(t, status, stderr)
		assert.Empty(t, stderr)
		assert.Empty(t, temporaries(t, dir+"/jail"))
		complete(t, dir)
	}
}

// A program that is written to while it is copied isn't a copy of anything.
func TestChangingSource(t *testing.T) {
	steptest.NeedsHost(t)
	dir := large(t)
	cmd, stderr := during(t, dir)
	f, err := os.OpenFile(dir+"/large", os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("changed"), 100<<20)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	goOn(t, cmd)
	_ = cmd.Wait()
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Contains(t, stderr.String(), dir+"/large: changed while it was copied\n")
	assert.NoFileExists(t, dir+"/jail"+dir+"/large")
	complete(t, dir)
}

// Of two runs in one jail, the second one says that it waits, and waits.
func TestTwoRuns(t *testing.T) {
	steptest.NeedsHost(t)
	dir := large(t)
	first, stderr := during(t, dir)
	second := exec.Command(steptest.Bin("binlibdepcp"), "/bin/sh", "jail")
	second.Dir = dir
	said, err := second.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, second.Start())
	lines := bufio.NewReader(said)
	line, err := lines.ReadString('\n')
	assert.NoError(t, err)
	assert.Equal(t,
		"binlibdepcp: another run is working in jail: waiting for its end\n", line)
	assert.NoFileExists(t, dir+"/jail/bin/sh")
	goOn(t, first)
	assert.NoError(t, first.Wait(), stderr)
	rest, err := io.ReadAll(lines)
	assert.NoError(t, err)
	assert.Empty(t, string(rest))
	assert.NoError(t, second.Wait())
	complete(t, dir)
}

// Eight calls at once into one jail are all complete.
func TestEightRuns(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var stderr bytes.Buffer
			cmd := exec.Command(steptest.Bin("binlibdepcp"), "-q", "/bin/sh",
				"/bin/ls", "jail")
			cmd.Dir, cmd.Stderr = dir, &stderr
			assert.NoError(t, cmd.Run())
			for line := range strings.Lines(stderr.String()) {
				assert.Equal(t, "binlibdepcp: another run is working in jail: waiting "+
					"for its end\n", line)
			}
		})
	}
	all.Wait()
	assert.Empty(t, temporaries(t, dir+"/jail"))
}

// A reader of the output who has gone away is told of, and all is copied.
func TestClosedPipe(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	r.Close()
	var stderr bytes.Buffer
	cmd := exec.Command(steptest.Bin("binlibdepcp"), "/bin/sh", "jail")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, &stderr
	_ = cmd.Run()
	w.Close()
	assert.Equal(t, 1, cmd.ProcessState.ExitCode(), "%v", cmd.ProcessState)
	assert.Equal(t, "binlibdepcp: write standard output: broken pipe\n", stderr.String())
	status, stdout, errs := call(t, dir, "-n", "/bin/sh", "jail")
	assert.Zero(t, status, errs)
	assert.NotContains(t, stdout, "[OK]", "it was all there")
}

// Where a hundred files are copied, a terminal shows how many are done, on a line that is
// gone in the end. What isn't a terminal has lines only.
func TestProgress(t *testing.T) {
	steptest.NeedsHost(t)
	for n, shown := range map[int]bool{99: false, 100: true} {
		dir := t.TempDir()
		var args []string
		var want strings.Builder
		want.WriteString("Copying ...\n\n")
		for i := range n {
			name := fmt.Sprintf("program%03d", i)
			require.NoError(t, os.WriteFile(dir+"/"+name, minimal{}.bytes(), 0o755))
			args = append(args, name)
			fmt.Fprintf(&want, "%25s : [OK]\n", name)
		}
		want.WriteString("\n...... Done\n")
		args = append(args, "jail")
		_, stdout, stderr := call(t, dir, args...)
		assert.Equal(t, want.String(), stdout)
		assert.Empty(t, stderr)

		for _, both := range []bool{true, false} { // stdout and stderr, or stderr alone
			screen, stdout := onTerminal(t, dir, both, args)
			assert.Equal(t, shown, strings.Contains(screen,
				"0 / 100 files"), "%q", screen)
			wiped := regexp.MustCompile(
				`\d+ / 100 files\r +\r`).ReplaceAllString(screen, "")
			if both {
				assert.Equal(t, want.String(), wiped)
			} else {
				assert.Empty(t, wiped)
				assert.Equal(t, want.String(), stdout)
			}
		}
	}
}

// onTerminal runs binlibdepcp with stderr on a terminal, and stdout too or captured.
func onTerminal(t *testing.T, dir string, both bool, args []string) (screen,
	stdout string,
) {
	t.Helper()
	cmd := exec.Command(steptest.Bin("binlibdepcp"), args...)
	cmd.Dir = dir
	var out bytes.Buffer
	if !both {
		cmd.Stdout = &out
	}
	tty := steptest.OpenColumns(t, 80, cmd)
	assert.Zero(t, tty.Wait())
	return strings.ReplaceAll(tty.Raw(), "\r\n", "\n"), out.String()
}

// What is printed doesn't depend on which worker is done first.
func TestDeterministic(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	args := []string{
		"--with", "terminfo", "--with", "gconv", "/bin/sh",
		"/bin/ls", "/bin/cat",
	}
	status, first, stderr := call(t, dir, append(args, "jail0")...)
	require.Zero(t, status, stderr)
	for i := range 5 {
		_, again, errs := call(t, dir, append(args, fmt.Sprint("jail", i+1))...)
		require.Equal(t, first, again)
		require.Equal(t, stderr, errs)
	}
}
