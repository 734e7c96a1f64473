//go:build linux

package ldso

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExpand(t *testing.T) {
	tokens := Tokens{Origin: "/o", Lib: "lib64", Platform: "x86_64"}
	for s, want := range map[string]string{
		"/usr/lib":              "/usr/lib",
		"$ORIGIN/../lib":        "/o/../lib",
		"${ORIGIN}lib":          "/olib",
		"$ORIGINlib":            "$ORIGINlib",
		"/usr/$LIB/${PLATFORM}": "/usr/lib64/x86_64",
		"$LIBS$LIB_$LIB0$LIB-$": "$LIBS$LIB_$LIB0lib64-$",
		"$UNKNOWN/${ORIGIN":     "$UNKNOWN/${ORIGIN",
		"${LIB}$PLATFORM":       "lib64x86_64",
	} {
		got, ok := tokens.Expand(s)
		assert.Equal(t, want, got, s)
		assert.True(t, ok)
		assert.Equal(t, strings.Contains(want, "/o"), usesOrigin(s), s)
	}
	_, ok := Tokens{Origin: "/o"}.Expand("/opt/$PLATFORM/lib")
	assert.False(t, ok, "a machine without a name for it")
	for _, c := range []struct{ s, want string }{
		{"$ORIGIN:/x", "/o:/x"}, {"${ORIGIN}/l", "/o/l"}, {"/a:/b", "/a:/b"}, {
			"$LIB",
			"void",
		}, {"$", "void"},
	} {
		got, ok := expandMusl(c.s, "/o")
		if !ok {
			got = "void"
		}
		assert.Equal(t, c.want, got, c.s)
	}
}

func TestSplitPath(t *testing.T) {
	tokens := Tokens{Origin: "/o"}
	for _, c := range []struct {
		s, separators string
		want          []string
	}{
		{"", ":", nil},
		{"/a:/b", ":", []string{"/a", "/b"}},
		{"/a:/b;/c", ":;", []string{"/a", "/b", "/c"}},
		{"/a;/b", ":", []string{"/a;/b"}},
		{"/a///:/:/a", ":", []string{"/a", "/"}},
		{":/a::", ":", []string{".", "/a"}},
		{"$ORIGIN:lib", ":", []string{"/o", "lib"}},
		{"$LIB:/a/$PLATFORM:/b", ":", []string{"/b"}}, // nothing that they stand for
	} {
		assert.Equal(t, c.want, SplitPath(c.s, c.separators, tokens), "%q", c.s)
	}
	many := make([]string, 2*maxDirs)
	for i := range many {
		many[i] = fmt.Sprint("/", i)
	}
	assert.Equal(t, many[:maxDirs+1], SplitPath(strings.Join(many, ":"), ":", tokens))
	assert.Equal(t, []string{"/a", "/b", "c"}, splitMusl(":/a\n/b::c\n"))
}

// The order is that of _dl_cache_libcmp(), on which the dynamic linker's search relies.
func TestCompareNames(t *testing.T) {
	ascii := []string{
		"", "a", "libc.so", "libc.so.6", "libc.so.06.1", "libc.so.10",
		"libcap.so", "libc1.so",
	}
	for signed, ascending := range map[bool][]string{
		true: append([]string{"\x80", "\xff"}, append(slices.Clone(ascii),
			"lib\xff", "lib")...),
		false: append(slices.Clone(ascii), "lib", "lib\xff", "\x80", "\xff"),
	} {
		slices.SortFunc(ascending,
			func(a, b string) int { return compareNames(a, b, signed) })
		for i, a := range ascending {
			for j, b := range ascending {
				assert.Equal(t, cmp.Compare(i, j), compareNames(a, b, signed),
					"%q and %q", a, b)
			}
		}
		if signed {
			assert.Equal(t, []string{"\x80", "\xff", "", "a"}, ascending[:4])
			assert.Equal(t, []string{"lib\xff", "lib"}, ascending[4:6])
		} else {
			assert.Equal(t, []string{"", "a", "lib"}, ascending[:3])
			assert.Equal(t, []string{"lib\xff", "\x80", "\xff"},
				ascending[len(ascending)-3:])
		}
	}
	assert.Zero(t, compareNames("lib007.so", "lib7.so", true))
	assert.Positive(t, compareNames("lib4.so", "lib3000000000.so", true),
		"an int of 32 bits overflows")
}

// The entries of an ABI are those of its flags. Some take those of older libraries too.
func TestCacheFlags(t *testing.T) {
	for _, c := range []struct {
		entries []int32
		abi     int32
		want    int
	}{
		{[]int32{0x303, 3, 1}, 3, 1},
		{[]int32{0x303, 1}, 3, 1},
		{[]int32{3, 1}, 0x303, -1},
		{[]int32{0xb03, 0x903, 3}, 0x903, 1},
		{[]int32{0xb03, 3}, 0x903, 1},
		{[]int32{0x903, 3}, 0xb03, 1},
		{[]int32{0x903, 1}, 0xb03, -1},
		{[]int32{0x703, 3}, 0x703, 0},
	} {
		var cache Cache
		for i, flags := range c.entries {
			cache = append(cache, CacheEntry{
				Name: "liba.so",
				Path: fmt.Sprint(i), Flags: flags,
			})
		}
		cache, err := ParseCache(cache.Bytes(binary.LittleEndian))
		require.NoError(t, err)
		path, ok := cache.Lookup("liba.so", c.abi, CPU{})
		assert.Equal(t, c.want >= 0, ok, c)
		assert.Equal(t, c.want >= 0, path == fmt.Sprint(c.want), c)
	}
}

// An answer that is gone makes room for none of the same name.
func TestCacheKept(t *testing.T) {
	const v3 = "x86-64-v3"
	c, err := ParseCache(Cache{
		{Name: "liba.so.01", Path: "/gone", Flags: 0x303},
		{
			Name: "liba.so.1",
			Path: "/a", Flags: 0x303,
		},
		{Name: "libb.so", Path: "/gone", Flags: 0x303},
		{
			Name: "libb.so",
			Path: "/left", Flags: 0x303,
		},
		{Name: "libc.so", Path: "/left", Flags: 0x303, HWCap: v3},
		{
			Name: "libc.so",
			Path: "/c", Flags: 0x303,
		},
	}.Bytes(binary.LittleEndian))
	require.NoError(t, err)
	var paths []string
	isThere := func(path string) bool { return path == "/a" || path == "/c" }
	for _, e := range c.Kept(isThere, func(path string) bool { return path == "/gone" }) {
		paths = append(paths, e.Path)
	}
	assert.Equal(t, []string{"/c", "/gone", "/a"}, paths)
}

// Before glibc 2.33 a cache doesn't tell its byte order.
func TestCacheOrder(t *testing.T) {
	entries := Cache{{Name: "liba.so", Path: "/lib/liba.so", Flags: 0x403}}
	for _, order := range []binary.AppendByteOrder{
		binary.LittleEndian,
		binary.BigEndian,
	} {
		b := entries.Bytes(order)
		b[28] = 0
		got, err := ParseCache(b)
		require.NoError(t, err)
		assert.Equal(t, entries, got)
	}
}

func TestCache(t *testing.T) {
	entries := Cache{
		{Name: "liba.so.9", Path: "/lib/liba.so.9", Flags: 0x303},
		{Name: "liba.so.10", Path: "/lib/liba.so.10", Flags: 0x303},
		{Name: "liba.so.10", Path: "/lib32/liba.so.10", Flags: 3},
		{
			Name: "liba.so.10",
			Path: "/lib/glibc-hwcaps/x86-64-v3/liba.so.10", Flags: 0x303,
			HWCap: "x86-64-v3",
		},
		{
			Name: "liba.so.10",
			Path: "/lib/glibc-hwcaps/x86-64-v2/liba.so.10", Flags: 0x303,
			HWCap: "x86-64-v2",
		},
		{Name: "libb.so", Path: "/opt/libb.so", Flags: 0x303},
		{Name: "libb.so", Path: "/second/libb.so", Flags: 0x303},
	}
	for _, order := range []binary.AppendByteOrder{
		binary.LittleEndian,
		binary.BigEndian,
	} {
		b := entries.Bytes(order)
		// In front there may be a part of an older format: one entry, padded to 8.
		old := append([]byte("ld.so-1.7.0\x00\x01\x00\x00\x00"), make([]byte, 12+4)...)
		for _, b := range [][]byte{b, append(slices.Clone(old[:32]),
			entriesWithoutHWCaps(entries).Bytes(order)...)} {
			c, err := ParseCache(b)
			require.NoError(t, err)
			for _, x := range []struct {
				name  string
				flags int32
				cpu   CPU
				want  string
			}{
				{"liba.so.9", 0x303, CPU{}, "/lib/liba.so.9"},
				{"liba.so.10", 0x303, CPU{}, "/lib/liba.so.10"},
				{
					"liba.so.10", 3,
					CPU{HWCaps: []string{"x86-64-v3"}},
					"/lib32/liba.so.10",
				},
				{"libb.so", 0x303, CPU{}, "/opt/libb.so"},
				{"libb.so", 3, CPU{}, ""},
				{"libc.so", 0x303, CPU{}, ""},
				{"liba.so.09", 0x303, CPU{}, "/lib/liba.so.9"}, // as the dynamic linker
			} {
				got, ok := c.Lookup(x.name, x.flags, x.cpu)
				assert.Equal(t, x.want, got, "%s %#x", x.name, x.flags)
				assert.Equal(t, x.want != "", ok)
			}
		}
		c, err := ParseCache(b)
		require.NoError(t, err)
		assert.Equal(t, c.Bytes(order), b, "written in order")
		got, _ := c.Lookup("liba.so.10", 0x303,
			CPU{HWCaps: []string{"x86-64-v4", "x86-64-v3", "x86-64-v2"}})
		assert.Equal(t, "/lib/glibc-hwcaps/x86-64-v3/liba.so.10", got)
		got, _ = c.Lookup("liba.so.10", 0x303, CPU{HWCaps: []string{"x86-64-v2"}})
		assert.Equal(t, "/lib/glibc-hwcaps/x86-64-v2/liba.so.10", got)
		for i := range c {
			c[i].legacy = 1 << 48
		}
		c, err = ParseCache(c.Bytes(order))
		require.NoError(t, err)
		_, ok := c.Lookup("libb.so", 0x303, CPU{})
		assert.False(t, ok, "for a CPU with some feature")
	}
}

func entriesWithoutHWCaps(c Cache) Cache {
	return slices.DeleteFunc(slices.Clone(c),
		func(e CacheEntry) bool { return e.HWCap != "" })
}

func TestCacheLies(t *testing.T) {
	good := Cache{{
		Name: "liba.so", Path: "/liba.so",
		HWCap: "x86-64-v3",
	}}.Bytes(binary.LittleEndian)
	change := func(at int, value uint32) []byte {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], value)
		return b
	}
	extension := int(binary.LittleEndian.Uint32(good[32:]))
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "old only": []byte(
			"ld.so-1.7.0\x00\xff\xff\xff\xff"),
		"cut":              good[:40],
		"many entries":     change(20, 1<<31),
		"key outside":      change(48+4, 1<<30),
		"value outside":    change(48+8, 1<<30),
		"index outside":    change(48+16, 9),
		"extension far":    change(32, 1<<31),
		"no magic":         change(extension, 1),
		"many extensions":  change(extension+4, 1<<31),
		"extension lies":   change(extension+8+12, 1<<31),
		"subdirectory far": change(extension+24, 1<<31),
	} {
		_, err := ParseCache(b)
		assert.Error(t, err, name)
	}
}

// The host's own cache has the entries that ldconfig(8) prints.
func TestHostCache(t *testing.T) {
	b, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skipf("SKIPPED: no cache here: %v", err)
	}
	cache, err := ParseCache(b)
	require.NoError(t, err)
	out, err := exec.Command("/sbin/ldconfig", "-p").Output()
	if err != nil {
		t.Skipf("SKIPPED: no ldconfig to compare with: %v", err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(
		`(?m)^\t(\S+) \(.*\) => (.*)$`).FindAllStringSubmatch(string(out), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	for _, e := range cache {
		got = append(got, e.Name+" "+e.Path)
	}
	assert.NotEmpty(t, got)
	assert.Equal(t, want, got)
	again, err := ParseCache(cache.Bytes(binary.LittleEndian))
	require.NoError(t, err)
	assert.Equal(t, cache, again)
}

func TestParseInterpreter(t *testing.T) {
	join := func(s ...string) []byte {
		return []byte("\x00" +
			strings.Join(s, "\x00") + "\x00")
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  Interpreter
	}{
		"Debian": {
			join("x", "/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/",
				"/lib/", "/usr/lib/", "y",
				"lib/x86_64-linux-gnu", "/etc/ld.so.cache", "ld.so (Debian GLIBC "+
					"2.36-9) "+
					"stable release version 2.36.\nCopyright"),
			Interpreter{
				SystemDirs: []string{
					"/lib/x86_64-linux-gnu",
					"/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib",
				},
				Lib: "lib/x86_64-linux-gnu", Cache: "/etc/ld.so.cache", Version: "2.36",
			},
		},
		"Fedora": {
			join("/tmp/", "", "/lib64/", "/usr/lib64/", "lib64",
				"/etc/ld.so.cache"),
			Interpreter{
				SystemDirs: []string{"/lib64", "/usr/lib64"}, Lib: "lib64",
				Cache: "/etc/ld.so.cache",
			},
		},
		"Nix": {
			join("/nix/store/abc-glibc-2.40/lib/",
				"/nix/store/abc-glibc-2.40/etc/ld.so.cache"),
			Interpreter{
				SystemDirs: []string{"/nix/store/abc-glibc-2.40/lib"}, Lib: "lib",
				Cache: "/nix/store/abc-glibc-2.40/etc/ld.so.cache",
			},
		},
		"musl": {
			join("%.*s/etc/ld-musl-riscv64.path", "/lib:/usr/local/lib:/usr/lib"),
			Interpreter{
				Musl: true, PathFile: "/etc/ld-musl-riscv64.path",
				SystemDirs: []string{"/lib", "/usr/local/lib", "/usr/lib"},
			},
		},
		"something else": {join("hello", "/", "//", "a/"), Interpreter{}},
		"nothing":        {nil, Interpreter{}},
	} {
		assert.Equal(t, c.want, ParseInterpreter(c.bytes), name)
	}
}

// The host's dynamic linker says the same of itself when it is asked.
func TestHostInterpreter(t *testing.T) {
	c, err := New(Host(), "/").Closure("/bin/sh")
	require.NoError(t, err)
	if c.interp == nil || c.Interpreter().Musl {
		t.Skip("SKIPPED: the shell is no program of glibc's")
	}
	out, err := exec.Command(c.interp.Name, "--list-diagnostics").Output()
	if err != nil {
		t.Skipf("SKIPPED: glibc before 2.33: %v", err)
	}
	say := func(name string) (values []string) {
		for _, m := range regexp.MustCompile(
			`(?m)^`+name+`(?:\[0x[0-9a-f]+\])?="(.*)"$`).FindAllStringSubmatch(
			string(out), -1) {
			values = append(values, m[1])
		}
		return values
	}
	var dirs []string
	for _, dir := range say(`path\.system_dirs`) {
		dirs = append(dirs, strings.TrimSuffix(dir, "/"))
	}
	in := c.Interpreter()
	assert.Equal(t, dirs, in.SystemDirs)
	assert.Equal(t, say("dl_dst_lib"), []string{in.Lib})
	assert.Equal(t, say(`version\.version`), []string{in.Version})
	assert.Equal(t, say(`path\.sysconfdir`)[0]+"/ld.so.cache", in.Cache)
	if platform := say("dl_platform"); platform != nil {
		assert.Equal(t, platform, []string{c.cpu().Platform})
	}
	out, err = exec.Command(c.interp.Name, "--help").Output()
	require.NoError(t, err)
	var levels []string
	for _, m := range regexp.MustCompile(
		`(?m)^  (x86-64-\S+) \(supported, searched\)$`).FindAllStringSubmatch(
		string(out), -1) {
		levels = append(levels, m[1])
	}
	assert.Equal(t, levels, c.cpu().HWCaps)
}

func TestParseScript(t *testing.T) {
	for head, want := range map[string][2]string{
		"#!/bin/sh\nexit":         {"/bin/sh", ""},
		"#! /bin/sh -e \n":        {"/bin/sh", "-e"},
		"#!/usr/bin/env  a b\n":   {"/usr/bin/env", "a b"},
		"#!/bin/sh":               {"/bin/sh", ""},
		"#!/bin/sh\r\n":           {"/bin/sh\r", ""},
		"#!\n":                    {"", ""},
		"#!/bin/a\x00b\n":         {"/bin/a", ""},
		"\x7fELF":                 {"", ""},
		"":                        {"", ""},
		" #!/bin/sh":              {"", ""},
		"#!\t/bin/awk\t-f\t\nxyz": {"/bin/awk", "-f"},
	} {
		name, argument, ok := ParseScript([]byte(head))
		assert.Equal(t, want, [2]string{name, argument}, "%q", head)
		assert.Equal(t, want[0] != "", ok, "%q", head)
	}
}

func TestParseEnv(t *testing.T) {
	for argument, want := range map[string]string{
		"perl": "perl", "-S perl -w": "perl", "-SA=b -i perl": "-i",
		"-S-i A=b perl": "perl", "": "", "-i": "", "A=b": "", "-Sperl": "perl",
		"-S -u X -C / --unset=Y perl": "perl", "-u": "", "--split-string=perl -w": "perl",
		"perl -w":      "perl -w",
		`-S "perl" -w`: "perl", `-S ''"perl"''`: "perl", "-S --unset X perl": "perl",
		"-S --chdir D perl": "perl", "-S --uns X perl": "perl",
		"-vSperl": "perl", `-Sperl\_-e`: "perl", `-S "a\_b" c`: "a b",
		`-S 'a\_b'`: `a\_b`, `-S 'a\'b'`: "a'b", `-S pe\c rl`: "pe",
		"-S perl # -w": "perl", "-S # perl": "", "-S a#b": "a#b", `-S "perl`: "",
		`-S perl\`: "", `-S \x`: "", "-S $X perl": "",
		"-S ${X} perl": "", "-S A=${X} perl": "perl", "-S ${}": "",
		"-S perl ${X}": "perl", "-S 'a ${X}'": "a ${X}", "-S -- A=b perl": "perl",
		"-S - perl": "perl", "-ivS perl": "perl", "-S -S perl": "perl", "-S -uX -CD -i " +
			"perl": "perl", "-z perl": "", "-S --debug perl": "perl",
		"-S --block-signal=INT perl": "perl", "-S -C /opt bin/perl": "/opt/bin/perl",
		"-S -C /opt /bin/perl": "/bin/perl",
		"-S -a X perl":         "perl", `-S a\tb`: "a\tb", "-S -S": "",
		"--split-string": "",
	} {
		assert.Equal(t, want, ParseEnv(argument).Command, argument)
		// What env(1) does. It says nothing of an empty name, and quotes some others.
		if !strings.ContainsAny(argument, "/") && !strings.Contains(argument, "${X}") &&
			argument != "" && !strings.ContainsAny(want, "'\t\\") &&
			!strings.Contains(argument, "-a") {
			nonesuch := strings.NewReplacer("perl", "nonesuch")
			assert.Equal(t, nonesuch.Replace(want),
				envCommand(t, nonesuch.Replace(argument)), argument)
		}
	}
	assert.Equal(t, SearchPath, ParseEnv("perl").Path)
	assert.Equal(t, []string{"/opt", "/bin"}, ParseEnv("-S PATH=/opt:/bin perl").Path)
	assert.Empty(t, ParseEnv("-S PATH=${X} perl").Command)
}

// envCommand returns the command that env(1) fails to execute.
func envCommand(t *testing.T, argument string) string {
	env, err := exec.LookPath("env")
	require.NoError(t, err)
	cmd := exec.Command(env, argument)
	cmd.Dir = t.TempDir()
	require.NoError(t, os.Mkdir(cmd.Dir+"/D", 0o755))
	cmd.Env = []string{"PATH=" + cmd.Dir, "LC_ALL=C"}
	out, _ := cmd.CombinedOutput() // it fails if it has a command
	m := regexp.MustCompile(
		`(?m)^.*env: '?(.*?)'?: No such file or directory$`).FindSubmatch(out)
	if m == nil {
		return ""
	}
	return string(m[1])
}

func TestParseLibc(t *testing.T) {
	for _, c := range []struct{ bytes, version, gconv string }{
		{
			"x\x00GNU C Library (Debian GLIBC 2.31-13) stable release version 2.31.\n" +
				"Copyright\x00" +
				"GLIBC_2.30\x00/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache\x00",
			"2.31", "/usr/lib/x86_64-linux-gnu/gconv",
		},
		{
			"\x00GNU C Library development release version 2.42.9000.\n\x00",
			"2.42.9000", "",
		},
		{
			"\x00GLIBC_2.2.5\x00GLIBC_2.3\x00GLIBC_2.17\x00GLIBC_2.9\x00" +
				"GLIBC_PRIVATE\x00",
			"2.17", "",
		},
		{"", "", ""},
	} {
		version, gconv := parseLibc([]byte(c.bytes))
		assert.Equal(t, c.version, version)
		assert.Equal(t, c.gconv, gconv)
	}
	for version, older := range map[string]bool{
		"2.33": true, "2.34": false, "2.9": true,
		"2.100": false, "": false,
	} {
		assert.Equal(t, older, (&Libc{Version: version}).OlderThan(34), version)
	}
}
