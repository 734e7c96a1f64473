//go:build linux

package ldso

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Dynamic linkers for tests: their strings are what counts.
var (
	glibc = elfSpec{
		soname: "ld-linux-x86-64.so.2",
		extra:  "\x00/lib64/\x00/usr/lib64/\x00x\x00/etc/ld.so.cache\x00",
	}.bytes()
	// Later releases, which say so.
	glibc236 = append(bytes.Clone(glibc),
		"ld.so (GNU libc) stable release version 2.36.\n\x00"...)
	glibc239 = append(bytes.Clone(glibc),
		"ld.so (GNU libc) stable release version 2.39.\n\x00"...)
	musl = elfSpec{
		soname: "libc.so",
		extra:  "\x00%.*s/etc/ld-musl-x86_64.path\x00/lib:/usr/local/lib:/usr/lib\x00",
	}.bytes()
)

const (
	glibcName = "/lib64/ld-linux-x86-64.so.2"
	muslName  = "/lib/ld-musl-x86_64.so.1"
)

// A files maps paths, without the slash in front, to what is there: an elfSpec, bytes, a
// string that starts with "-> " for a link, or nil for a directory.
type files map[string]any

func (f files) view() fstest.MapFS {
	view := fstest.MapFS{}
	for name, content := range f {
		file := &fstest.MapFile{Mode: 0o755}
		switch content := content.(type) {
		case elfSpec:
			file.Data = content.bytes()
		case []byte:
			file.Data = content
		case string:
			file.Data = []byte(content)
			if target, ok := strings.CutPrefix(content, "-> "); ok {
				file.Data, file.Mode = []byte(target), fs.ModeSymlink|0o777
			}
		case fs.FileMode:
			file.Mode = content
		case nil:
			file.Mode = fs.ModeDir | 0o755
		}
		view[name] = file
	}
	return view
}

func program(needed ...string) elfSpec {
	return elfSpec{
		interp: glibcName,
		needed: needed,
	}
}

func library(needed ...string) elfSpec { return elfSpec{needed: needed} }

// describe returns the objects of a closure but for the program and the interpreter, and
// its problems.
func describe(c *Closure) string {
	var words []string
	for _, o := range c.Objects[1:] {
		if o != c.interp {
			words = append(words, o.Name)
		}
	}
	for _, problem := range c.Problems {
		words = append(words, "!"+problem.Error())
	}
	return strings.Join(words, " ")
}

// The rules of the search, each in the smallest tree that shows it. Every program is
// /bin/app, and a library that should not be found lies in /no.
func TestSearch(t *testing.T) {
	cacheOf := func(entries ...CacheEntry) []byte {
		for i := range entries {
			entries[i].Flags = 0x303
		}
		return Cache(entries).Bytes(leBytes)
	}
	other := library()
	other.machine = elf.EM_AARCH64
	narrow := library()
	narrow.class, narrow.machine = elf.ELFCLASS32, elf.EM_386
	swapped := library()
	swapped.data = elf.ELFDATA2MSB
	solaris := library()
	solaris.osabi = elf.ELFOSABI_SOLARIS
	pie := library()
	pie.flags1 = elf.DF_1_PIE
	with := func(spec elfSpec, f func(*elfSpec)) elfSpec {
		f(&spec)
		return spec
	}
	rpath := func(path string, needed ...string) elfSpec {
		return with(program(needed...), func(s *elfSpec) { s.rpath = path })
	}
	runpath := func(path string, needed ...string) elfSpec {
		return with(program(needed...), func(s *elfSpec) { s.runpath = path })
	}
	for name, c := range map[string]struct {
		files files
		want  string
	}{
		"system directories, in their order": {
			files{
				"bin/app": program("liba.so"), "lib64/liba.so": library(),
				"usr/lib64/liba.so": library(),
			},
			"/lib64/liba.so",
		},
		"breadth first": {
			files{
				"bin/app":       program("liba.so", "libb.so"),
				"lib64/liba.so": library("libc.so.6", "libd.so"),
				"lib64/libb.so": library(), "lib64/libc.so.6": library(),
				"lib64/libd.so": library("liba.so"),
			},
			"/lib64/liba.so /lib64/libb.so /lib64/libc.so.6 /lib64/libd.so",
		},
		"the cache before them": {
			files{
				"bin/app": program("liba.so"), "lib64/liba.so": library(),
				"opt/liba.so": library(),
				"etc/ld.so.cache": cacheOf(CacheEntry{
					Name: "liba.so",
					Path: "/opt/liba.so",
				}),
			},
			"/opt/liba.so",
		},
		"a stale cache": {
			files{
				"bin/app": program("liba.so"), "lib64/liba.so": library(),
				"etc/ld.so.cache": cacheOf(CacheEntry{
					Name: "liba.so",
					Path: "/opt/liba.so",
				}),
			},
			"/lib64/liba.so",
		},
		"a cache of rubbish": {
			files{
				"bin/app": program("liba.so"), "lib64/liba.so": library(),
				"etc/ld.so.cache": "rubbish",
			},
			"/lib64/liba.so",
		},
		"RPATH before the cache": {
			files{
				"bin/app": rpath("/r", "liba.so"), "r/liba.so": library(),
				"opt/liba.so": library(),
				"etc/ld.so.cache": cacheOf(CacheEntry{
					Name: "liba.so",
					Path: "/opt/liba.so",
				}),
			},
			"/r/liba.so",
		},
		"RPATH is inherited": {
			files{
				"bin/app": rpath("/r", "liba.so"), "r/liba.so": library("libb.so"),
				"r/libb.so": library(),
			},
			"/r/liba.so /r/libb.so",
		},
		"RUNPATH is not": {
			files{
				"bin/app": runpath("/r", "liba.so"), "r/liba.so": library("libb.so"),
				"r/libb.so": library(),
			},
			"/r/liba.so !libb.so, which /r/liba.so needs: not found",
		},
		"RUNPATH voids RPATH": {
			files{
				"bin/app": with(rpath("/no", "liba.so"),
					func(s *elfSpec) { s.runpath = "/r" }),
				"r/liba.so": library(), "no/liba.so": library(),
			},
			"/r/liba.so",
		},
		"RUNPATH hides inherited RPATHs": {
			files{
				"bin/app": rpath("/r", "liba.so"), "no/libb.so": library(),
				"r/libb.so": library(),
				"r/liba.so": with(library("libb.so"),
					func(s *elfSpec) { s.runpath = "/empty" }),
			},
			"/r/liba.so !libb.so, which /r/liba.so needs: not found",
		},
		"a loader's RPATH before the program's": {
			files{
				"bin/app": rpath("/r", "liba.so"), "r/libb.so": library(),
				"s/libb.so": library(),
				"r/liba.so": with(library("libb.so"),
					func(s *elfSpec) { s.rpath = "/s" }),
			},
			"/r/liba.so /s/libb.so",
		},
		"NODEFLIB": {
			files{
				"bin/app": with(program("liba.so", "libb.so"),
					func(s *elfSpec) { s.flags1 = elf.DF_1_NODEFLIB }),
				"lib64/liba.so": library(), "opt/libb.so": library(),
				"etc/ld.so.cache": cacheOf(
					CacheEntry{
						Name: "liba.so",
						Path: "/lib64/liba.so",
					}, CacheEntry{
						Name: "libb.so", Path: "/opt/libb.so",
					}),
			},
			"/opt/libb.so !liba.so, which /bin/app needs: not found",
		},
		"$ORIGIN of the program is the real one": {
			files{
				"bin/app":             "-> /opt/app/bin/app",
				"opt/app/bin/app":     runpath("$ORIGIN/../lib", "liba.so"),
				"opt/app/lib/liba.so": library(),
			},
			"/opt/app/bin/../lib/liba.so",
		},
		"$ORIGIN of a library is where it was found": {
			files{
				"bin/app": runpath("/r", "liba.so"), "r/liba.so": "-> /no/liba.so",
				"no/liba.so": with(library("libb.so"),
					func(s *elfSpec) { s.runpath = "$ORIGIN" }),
				"no/libb.so": library(), "r/libb.so": library(),
			},
			"/r/liba.so /r/libb.so",
		},
		"$LIB and $PLATFORM": {
			files{
				"bin/app":                runpath("/r/$LIB/$PLATFORM", "liba.so"),
				"r/lib64/x86_64/liba.so": library(),
			},
			"/r/lib64/x86_64/liba.so",
		},
		"other machines are passed over": {
			files{
				"bin/app": runpath("/1:/2:/3", "liba.so"), "1/liba.so": other,
				"2/liba.so": narrow, "3/liba.so": library(),
			},
			"/3/liba.so",
		},
		"so is what isn't there": {
			files{
				"bin/app": runpath("/1:/bin/app:/2:/3", "liba.so"), "1": nil,
				"2/liba.so": "-> nowhere", "3/liba.so": library(),
			},
			"/3/liba.so",
		},
		"a text ends the search": {
			files{
				"bin/app":   runpath("/1:/2", "liba.so"),
				"1/liba.so": strings.Repeat("text", 20), "2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: load /1/liba.so: invalid ELF header",
		},
		"so does a short file": {
			files{
				"bin/app": runpath("/1:/2", "liba.so"), "1/liba.so": "",
				"2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: load /1/liba.so: file too short",
		},
		"a directory": {
			files{
				"bin/app": runpath("/1:/2", "liba.so"), "1/liba.so": nil,
				"2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: open /1/liba.so: not a regular file",
		},
		"a FIFO": {
			files{
				"bin/app":   runpath("/1:/2", "liba.so"),
				"1/liba.so": fs.ModeNamedPipe | 0o644, "2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: open /1/liba.so: not a regular file",
		},
		"another byte order": {
			files{
				"bin/app": runpath("/1:/2", "liba.so"), "1/liba.so": swapped,
				"2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: load /1/liba.so: ELF file of another byte " +
				"order",
		},
		"another OS": {
			files{
				"bin/app": runpath("/1:/2", "liba.so"), "1/liba.so": solaris,
				"2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: load /1/liba.so: ELF file of another OS " +
				"ABI",
		},
		"a program": {
			files{
				"bin/app": runpath("/1:/2", "liba.so"), "1/liba.so": pie,
				"2/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: load /1/liba.so: cannot load a program as " +
				"a library",
		},
		"a name with a slash": {
			files{
				"bin/app":     program("/opt/liba.so", "$ORIGIN/libb.so", "/no/libc.so"),
				"opt/liba.so": library(), "bin/libb.so": library(),
			},
			"/opt/liba.so /bin/libb.so !/no/libc.so, which /bin/app needs: open " +
				"/no/libc.so: no such file or directory",
		},
		"loaded under its SONAME": {
			files{
				"bin/app":    program("/opt/one.so", "liba.so"),
				"opt/one.so": elfSpec{soname: "liba.so"},
			},
			"/opt/one.so",
		},
		"loaded under a name asked for before": {
			files{
				"bin/app": rpath("/r", "liba.so", "libb.so"), "r/liba.so": library(),
				"r/libb.so": with(library("liba.so"),
					func(s *elfSpec) { s.runpath = "/no" }), "no/liba.so": library(),
			},
			"/r/liba.so /r/libb.so",
		},
		"the program under its SONAME": {
			files{"bin/app": with(program("liba.so"),
				func(s *elfSpec) { s.soname = "app.so.1" }), "lib64/liba.so": library(
				"app.so.1")},
			"/lib64/liba.so",
		},
		"the interpreter under its SONAME": {
			files{"bin/app": program("ld-linux-x86-64.so.2")}, "",
		},
		"a filter is needed, an auxiliary is not": {
			files{
				"bin/app": program("liba.so"), "lib64/libaux.so": library(),
				"lib64/liba.so": with(library(), func(s *elfSpec) {
					s.more = []dyn{
						{elf.DT_AUXILIARY, "libaux.so"},
						{elf.DT_AUXILIARY, "libno.so"},
						{elf.DT_FILTER, "libf.so"},
					}
				}),
			},
			"/lib64/liba.so /lib64/libaux.so !libf.so, which /lib64/liba.so needs: not " +
				"found",
		},
		"audit libraries if they are there": {
			files{"bin/app": with(program(), func(s *elfSpec) {
				s.more = []dyn{
					{elf.DT_AUDIT, "libno.so:/opt/liba.so"},
					{elf.DT_DEPAUDIT, "libb.so"},
				}
			}), "opt/liba.so": library(), "lib64/libb.so": library(
				"libx.so"), "lib64/libx.so": library()},
			"/opt/liba.so /lib64/libb.so /lib64/libx.so",
		},
		"an empty element is the current directory": {
			files{
				"bin/app": runpath(":/r", "liba.so"), "home/liba.so": library(),
				"r/liba.so": library(),
			},
			"/home/liba.so",
		},
		"static-pie": {
			files{"bin/app": elfSpec{flags1: elf.DF_1_PIE}}, "",
		},
		"no interpreter there": {
			files{
				"bin/app":     elfSpec{interp: "/no/ld.so", needed: []string{"liba.so"}},
				"lib/liba.so": library(),
			},
			"/lib/liba.so !/no/ld.so, which /bin/app needs: open /no/ld.so: no such " +
				"file or directory",
		},
		"an interpreter that is a text": {
			files{
				"bin/app":  elfSpec{interp: "/no/ld.so"},
				"no/ld.so": strings.Repeat("text", 20),
			},
			"!/no/ld.so, which /bin/app needs: load /no/ld.so: invalid ELF header",
		},
		"a variant that can't be opened": {
			files{
				"bin/app": runpath("/r", "liba.so"), "r/liba.so": library(),
				"r/glibc-hwcaps/x86-64-v3/liba.so": "-> liba.so",
				"r/glibc-hwcaps/x86-64-v2":         "text",
			},
			"/r/liba.so",
		},
		"a loop ends a search path, not the search": {
			files{
				"bin/app": runpath("/r:/s", "liba.so"), "r/liba.so": "-> liba.so",
				"s/liba.so": library(), "lib64/liba.so": library(),
			},
			"/lib64/liba.so",
		},
		"a file for a directory ends a search path": {
			files{
				"bin/app": runpath("/r:/s", "liba.so"), "r/liba.so": "-> file/x",
				"r/file": "text", "s/liba.so": library(),
				"lib64/liba.so": library(),
			},
			"/lib64/liba.so",
		},
		"but not since glibc 2.39": {
			files{
				"bin/app": runpath("/r:/s", "liba.so"), "r/liba.so": "-> file/x",
				"r/file": "text", "s/liba.so": library(),
				"lib64/liba.so": library(), "lib64/ld-linux-x86-64.so.2": glibc239,
			},
			"/s/liba.so",
		},
		"a loop does, whatever the release": {
			files{
				"bin/app": runpath("/r:/s", "liba.so"), "r/liba.so": "-> liba.so",
				"s/liba.so": library(), "lib64/liba.so": library(),
				"lib64/ld-linux-x86-64.so.2": glibc239,
			},
			"/lib64/liba.so",
		},
		"so does a socket": {
			files{
				"bin/app":   runpath("/r:/s", "liba.so"),
				"r/liba.so": fs.ModeSocket | 0o755, "s/liba.so": library(),
				"lib64/liba.so": library(),
			},
			"/lib64/liba.so",
		},
		"a relative directory isn't passed over": {
			files{
				"bin/app": runpath("file:/s", "liba.so"), "home/file": "text",
				"s/liba.so": library(), "lib64/liba.so": library(),
			},
			"/lib64/liba.so",
		},
		"nor is an absolute one that is a file": {
			files{
				"bin/app": runpath("/home/file:/s", "liba.so"), "home/file": "text",
				"s/liba.so": library(), "lib64/liba.so": library(),
			},
			"/s/liba.so",
		},
		"the root directory": {
			files{
				"bin/app": runpath("/", "liba.so"),
				"liba.so": with(library("libb.so"),
					func(s *elfSpec) { s.runpath = "$ORIGIN/opt" }),
				"opt/libb.so": library(),
			},
			"/liba.so //opt/libb.so",
		},
		"$ORIGIN isn't cleaned": {
			files{
				"bin/app":  runpath("/opt/link/../lib", "liba.so"),
				"opt/link": "-> ../srv/d", "srv/d": nil, "opt/lib/libb.so": library(),
				"srv/lib/liba.so": with(library("libb.so"),
					func(s *elfSpec) { s.runpath = "$ORIGIN" }),
				"srv/lib/libb.so": library(),
			},
			"/opt/link/../lib/liba.so /opt/link/../lib/libb.so",
		},
		"a filtee's needs come next": {
			files{
				"bin/app": program("liba.so"), "lib64/libf.so": library("libb.so"),
				"lib64/liba.so": with(library("libd.so"),
					func(s *elfSpec) { s.more = []dyn{{elf.DT_FILTER, "libf.so"}} }),
				"lib64/libd.so": with(library("libb.so"),
					func(s *elfSpec) { s.runpath = "/r" }), "r/libb.so": library(),
			},
			"/lib64/liba.so /lib64/libd.so /lib64/libf.so /r/libb.so !libb.so, which " +
				"/lib64/libf.so needs: not found",
		},
		"filtees of filtees": {
			files{
				"bin/app":       program("liba.so", "libz.so"),
				"lib64/libz.so": library("libe.so"), "lib64/libe.so": library(),
				"lib64/liba.so": with(library(), func(s *elfSpec) {
					s.more = []dyn{
						{elf.DT_FILTER, "libf.so"},
						{elf.DT_AUXILIARY, "libz.so"},
						{elf.DT_FILTER, "liba.so"},
					}
				}),
				"lib64/libf.so": with(library("libc.so"),
					func(s *elfSpec) { s.more = []dyn{{elf.DT_FILTER, "libg.so"}} }),
				"lib64/libg.so": library(
					"libd.so"), "lib64/libc.so": library(), "lib64/libd.so": library(),
			},
			"/lib64/liba.so /lib64/libz.so /lib64/libf.so /lib64/libc.so " +
				"/lib64/libg.so /lib64/libd.so /lib64/libe.so",
		},
		"an audit library knows nothing of the program's": {
			files{
				"bin/app": with(runpath("/r", "libb.so"),
					func(s *elfSpec) { s.more = []dyn{{elf.DT_AUDIT, "audit.so"}} }),
				"r/libb.so": library(), "s/libb.so": library(), "r/audit.so": with(
					library("libb.so", "libd.so"), func(s *elfSpec) { s.rpath = "/s" }),
				"r/libd.so": library(),
			},
			"/r/libb.so /r/audit.so /s/libb.so /r/libd.so",
		},
		"an audit library needs the interpreter by another path": {
			files{
				"bin/app": with(program(),
					func(s *elfSpec) { s.more = []dyn{{elf.DT_AUDIT, "audit.so"}} }),
				"lib64/audit.so": library(
					"ld-linux-x86-64.so.2"),
				"lib64/ld-linux-x86-64.so.2": "-> /usr/lib64/ld.so",
				"usr/lib64/ld.so":            glibc236,
				"opt/ld-linux-x86-64.so.2":   glibc236,
			},
			"/lib64/audit.so",
		},
		"the baseline's names don't count": {
			files{
				"bin/app":                          runpath("/r", "liba.so", "libb.so"),
				"r/glibc-hwcaps/x86-64-v3/liba.so": library(), "r/libb.so": library(),
				"r/liba.so": with(library("libd.so"),
					func(s *elfSpec) {
						s.soname, s.runpath = "libb.so",
							"/s"
					}), "s/libd.so": library(),
			},
			"/r/glibc-hwcaps/x86-64-v3/liba.so /r/libb.so /r/liba.so /s/libd.so",
		},
		"directories named x86_64 in the cache": {
			files{
				"bin/app":            program("liba.so", "libb.so"),
				"opt/x86_64/liba.so": library(), "opt/x86_64/libb.so": library(),
				"etc/ld.so.cache": cacheOf(CacheEntry{
					Name: "liba.so",
					Path: "/opt/x86_64/liba.so", legacy: 2,
				},
					CacheEntry{Name: "libb.so", Path: "/opt/x86_64/libb.so", legacy: 3}),
			},
			"/opt/x86_64/liba.so !libb.so, which /bin/app needs: not found",
		},
		"which glibc 2.39 doesn't know": {
			files{
				"bin/app": program("liba.so"), "opt/x86_64/liba.so": library(),
				"lib64/ld-linux-x86-64.so.2": glibc239,
				"etc/ld.so.cache": cacheOf(CacheEntry{
					Name: "liba.so",
					Path: "/opt/x86_64/liba.so", legacy: 2,
				}),
			},
			"!liba.so, which /bin/app needs: not found",
		},
		"glibc-hwcaps": {
			files{
				"bin/app":                          runpath("/r", "liba.so"),
				"r/glibc-hwcaps/x86-64-v3/liba.so": library("libfast.so"),
				"r/glibc-hwcaps/x86-64-v2/liba.so": library(), "r/liba.so": library(
					"libslow.so"),
				"r/glibc-hwcaps/x86-64-v4/liba.so": library(),
				"lib64/libfast.so":                 library(),
				"lib64/libslow.so":                 library(),
			},
			"/r/glibc-hwcaps/x86-64-v3/liba.so /lib64/libfast.so /r/liba.so " +
				"/lib64/libslow.so",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, ok := c.files["lib64/ld-linux-x86-64.so.2"]; !ok {
				c.files["lib64/ld-linux-x86-64.so.2"] = glibc236
			}
			l := New(c.files.view(), "/home")
			l.CPU = CPU{Platform: "x86_64", HWCaps: []string{"x86-64-v3", "x86-64-v2"}}
			closure, err := l.Closure("/bin/app")
			require.NoError(t, err)
			assert.Equal(t, c.want, describe(closure))
			for i, o := range closure.Objects {
				assert.Equal(t, i == 0, o.Loader == nil)
			}
		})
	}
}

func TestSearchMusl(t *testing.T) {
	app := func(spec elfSpec) elfSpec {
		spec.interp = muslName
		return spec
	}
	for name, c := range map[string]struct {
		files files
		want  string
	}{
		"libc is the interpreter": {
			files{"bin/app": app(library("libc.so", "libm.so.6",
				"libpthread.so.0"))}, "",
		},
		"built-in path": {
			files{
				"bin/app": app(library("liba.so")), "usr/lib/liba.so": library(),
				"usr/local/lib/liba.so": library(),
			},
			"/usr/local/lib/liba.so",
		},
		"path file": {
			files{
				"bin/app":                 app(library("liba.so")),
				"etc/ld-musl-x86_64.path": "/x\n/y:/z\n", "z/liba.so": library(),
				"usr/lib/liba.so": library(),
			},
			"/z/liba.so",
		},
		"RUNPATH is inherited": {
			files{
				"bin/app":   app(elfSpec{needed: []string{"liba.so"}, runpath: "/r"}),
				"r/liba.so": library("libb.so"), "r/libb.so": library(),
			},
			"/r/liba.so /r/libb.so",
		},
		"SONAME doesn't count": {
			files{
				"bin/app":     app(library("liba.so", "libb.so")),
				"lib/liba.so": elfSpec{soname: "libb.so"},
			},
			"/lib/liba.so !libb.so, which /bin/app needs: not found",
		},
		"no token but $ORIGIN": {
			files{
				"bin/app":   app(elfSpec{needed: []string{"liba.so"}, rpath: "/r:$LIB"}),
				"r/liba.so": library(), "lib/liba.so": library(),
			},
			"/lib/liba.so",
		},
		"$ORIGIN": {
			files{"bin/app": app(elfSpec{
				needed: []string{"liba.so"},
				rpath:  "$ORIGIN/../r",
			}), "r/liba.so": library()},
			"/bin/../r/liba.so",
		},
		"no cache, no hwcaps": {
			files{
				"bin/app":                            app(library("liba.so")),
				"lib/glibc-hwcaps/x86-64-v3/liba.so": library(),
				"etc/ld.so.cache": Cache{{
					Name: "liba.so",
					Path: "/lib/glibc-hwcaps/x86-64-v3/liba.so", Flags: 0x303,
				}}.Bytes(
					leBytes),
			},
			"!liba.so, which /bin/app needs: not found",
		},
		"no look for another one": {
			files{
				"bin/app": app(library("liba.so")),
				"lib/liba.so": elfSpec{
					machine: elf.EM_ARM,
					class:   elf.ELFCLASS32,
				}, "usr/lib/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: load /lib/liba.so: file for another " +
				"machine",
		},
		"a searched file has one name": {
			files{
				"bin/app": app(elfSpec{needed: []string{
					"liba.so", "libb.so",
					"libx.so",
				}, rpath: "/r"}), "r/liba.so": library(),
				"r/libb.so": "-> liba.so", "r/libx.so": elfSpec{
					needed: []string{"libb.so"}, rpath: "/s",
				}, "s/libb.so": library(),
			},
			"/r/liba.so /r/libx.so /s/libb.so",
		},
		"that of the path that came first": {
			files{
				"bin/app": app(elfSpec{needed: []string{
					"/opt/real.so", "liba.so",
					"real.so",
				}, rpath: "/r"}), "opt/real.so": library(),
				"r/liba.so": "-> /opt/real.so",
			},
			"/opt/real.so",
		},
		"a path gives no name": {
			files{"bin/app": app(elfSpec{
				needed: []string{"/opt/real.so", "real.so"},
				rpath:  "/r",
			}), "opt/real.so": library()},
			"/opt/real.so !real.so, which /bin/app needs: not found",
		},
		"nor has the program one": {
			files{
				"bin/app": app(elfSpec{
					needed: []string{"liba.so"},
					soname: "libb.so",
				}),
				"lib/liba.so": library("libb.so"),
			},
			"/lib/liba.so !libb.so, which /lib/liba.so needs: not found",
		},
		"the interpreter by its path": {
			files{"bin/app": app(library(muslName))}, "",
		},
		"a program will do": {
			files{
				"bin/app": app(library("liba.so")),
				"lib/liba.so": elfSpec{
					flags1: elf.DF_1_PIE,
					osabi:  elf.ELFOSABI_SOLARIS,
				},
			},
			"/lib/liba.so",
		},
		"a loop ends the search": {
			files{
				"bin/app": app(elfSpec{needed: []string{"liba.so"}, rpath: "/loop:/r"}),
				"loop":    "-> loop", "r/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: open /loop/liba.so: too many levels of " +
				"symbolic links",
		},
		"another version": {
			files{"bin/app": app(library("liba.so")), "lib/liba.so": func() []byte {
				b := library().bytes()
				b[elf.EI_VERSION] = 2
				return b
			}()},
			"/lib/liba.so",
		},
		"a path file that can't be read": {
			files{
				"bin/app": app(library("liba.so")), "etc/ld-musl-x86_64.path": nil,
				"lib/liba.so": library(),
			},
			"!liba.so, which /bin/app needs: not found",
		},
		"no filters": {
			files{"bin/app": app(elfSpec{
				needed: []string{"libc.so"},
				more:   []dyn{{elf.DT_FILTER, "libf.so"}},
			})}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.files["lib/ld-musl-x86_64.so.1"] = musl
			closure, err := New(c.files.view(), "/").Closure("/bin/app")
			require.NoError(t, err)
			assert.Equal(t, c.want, describe(closure))
		})
	}
	// The file with its directories is needed too.
	c, err := New(files{
		"bin/app": app(library("liba.so")), "z/liba.so": library(),
		"lib/ld-musl-x86_64.so.1": musl,
		"etc/ld-musl-x86_64.path": "/z",
	}.view(), "/").Closure("/bin/app")
	require.NoError(t, err)
	require.NotNil(t, c.PathFile)
	assert.Equal(t, "/etc/ld-musl-x86_64.path", c.PathFile.Real)
	// A library of musl's names no interpreter.
	c, err = New(files{
		"lib/liba.so":             library("libc.so"),
		"lib/ld-musl-x86_64.so.1": musl,
	}.view(), "/").Closure("lib/liba.so")
	require.NoError(t, err)
	assert.True(t, c.Interpreter().Musl)
	assert.Empty(t, describe(c))
}

// Whatever needs the program's $ORIGIN is said to need /proc.
func TestOriginWarning(t *testing.T) {
	view := files{
		"lib64/ld-linux-x86-64.so.2": glibc, "lib/ld-musl-x86_64.so.1": musl,
		"bin/liba.so": library(),
		"bin/runpath": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			runpath: "$ORIGIN",
		},
		"bin/name": elfSpec{interp: glibcName, needed: []string{"$ORIGIN/liba.so"}},
		"bin/musl": elfSpec{
			interp: muslName, needed: []string{"liba.so"},
			rpath: "$ORIGIN",
		},
		"bin/none": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			runpath: "$ORIGINAL:/bin",
		},
	}.view()
	for name, want := range map[string]int{
		"runpath": 1, "name": 1,
		"musl": 1, "none": 0,
	} {
		c, err := New(view, "/").Closure("/bin/" + name)
		require.NoError(t, err)
		assert.Equal(t, "/bin/liba.so", describe(c), name)
		assert.Len(t, c.Warnings, want, name)
	}
}

// Who runs a set-user-ID program has its $ORIGIN ignored: that is said.
func TestSetuidWarning(t *testing.T) {
	view := files{
		"lib64/ld-linux-x86-64.so.2": glibc, "bin/liba.so": library(),
		"bin/app": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			runpath: "$ORIGIN",
		},
	}.view()
	view["bin/app"].Mode |= fs.ModeSetuid
	c, err := New(view, "/").Closure("/bin/app")
	require.NoError(t, err)
	assert.Contains(t, c.Warnings, "/bin/app runs with another user's rights, so that "+
		"$ORIGIN doesn't count for others")
}

// What was preloaded isn't read again, and leads to the same closure.
func TestPreload(t *testing.T) {
	view := files{
		"lib64/ld-linux-x86-64.so.2": glibc, "lib64/liba.so": library(),
		"bin/app": program("liba.so"),
	}.view()
	l := New(view, "/")
	l.Preload([]string{"/bin/app", "/nonesuch"})
	view["bin/app"].Data = nil
	c, err := l.Closure("/bin/app")
	require.NoError(t, err)
	assert.Equal(t, "/lib64/liba.so", describe(c))
	_, err = l.Closure("/nonesuch")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// LD_LIBRARY_PATH comes after RPATH and before RUNPATH, and takes semicolons.
func TestLibraryPath(t *testing.T) {
	view := files{
		"lib64/ld-linux-x86-64.so.2": glibc, "e/liba.so": library(),
		"r/liba.so": library(),
		"bin/runpath": elfSpec{
			interp: glibcName,
			needed: []string{"liba.so"}, runpath: "/r",
		},
		"bin/rpath": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			rpath: "/r",
		},
	}.view()
	for name, want := range map[string]string{
		"/bin/runpath": "/e/liba.so",
		"/bin/rpath":   "/r/liba.so",
	} {
		l := New(view, "/")
		l.LibraryPath = "/x;/e"
		c, err := l.Closure(name)
		require.NoError(t, err)
		assert.Equal(t, want, describe(c))
	}
}

// What is opened as a program runs is searched for from the object that opens it.
func TestDlopen(t *testing.T) {
	l := New(files{
		"bin/app": program("liba.so"), "lib64/ld-linux-x86-64.so.2": glibc,
		"lib64/liba.so": elfSpec{runpath: "/plugins"}, "plugins/plug.so": library(
			"libb.so"), "lib64/libb.so": library(),
	}.view(), "/")
	c, err := l.Closure("/bin/app")
	require.NoError(t, err)
	_, err = c.Dlopen("plug.so", c.Program)
	assert.EqualError(t, err, "plug.so, which /bin/app needs: not found")
	_, err = c.Dlopen("plug.so", c.Find("liba.so"))
	require.NoError(t, err)
	assert.Equal(t, "/lib64/liba.so /plugins/plug.so /lib64/libb.so", describe(c))
}

// What dlopen(3) loads doesn't inherit the RPATH of who opens it, and a failure leaves
// nothing behind.
func TestDlopenFails(t *testing.T) {
	l := New(files{
		"bin/app": program("liba.so"), "lib64/ld-linux-x86-64.so.2": glibc236,
		"lib64/liba.so": elfSpec{rpath: "/plugins"},
		"plugins/plug.so": library("libb.so",
			"libc.so"), "plugins/libb.so": library(), "lib64/libc.so": library(),
		"plugins/other.so": library("libc.so"),
	}.view(), "/")
	c, err := l.Closure("/bin/app")
	require.NoError(t, err)
	_, err = c.Dlopen("plug.so", c.Find("liba.so"))
	assert.EqualError(t, err, "libb.so, which /plugins/plug.so needs: not found")
	assert.Equal(t, "/lib64/liba.so", describe(c))
	assert.Nil(t, c.Find("plug.so"))
	assert.Empty(t, c.Opened)
	_, err = c.Dlopen("other.so", c.Find("liba.so"))
	require.NoError(t, err)
	assert.Equal(t, "/lib64/liba.so /plugins/other.so /lib64/libc.so", describe(c))
	assert.Len(t, c.Opened, 1)
}

// The baselines of what is opened are found too, from the baseline of who opens it.
func TestDlopenBaseline(t *testing.T) {
	l := New(files{
		"bin/app": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			runpath: "/r",
		}, "lib64/ld-linux-x86-64.so.2": glibc236,
		"r/glibc-hwcaps/x86-64-v3/liba.so": elfSpec{
			soname:  "liba.so",
			runpath: "/fast",
		}, "r/liba.so": elfSpec{soname: "liba.so", runpath: "/slow"},
		"fast/plug.so": library(), "slow/plug.so": library(),
	}.view(), "/")
	l.CPU = CPU{Platform: "x86_64", HWCaps: []string{"x86-64-v3"}}
	c, err := l.Closure("/bin/app")
	require.NoError(t, err)
	_, err = c.Dlopen("plug.so", c.Find("liba.so"))
	require.NoError(t, err)
	assert.Equal(t, "/r/glibc-hwcaps/x86-64-v3/liba.so /r/liba.so /fast/plug.so "+
		"/slow/plug.so", describe(c))
}

// What a library opens that only the least CPU loads isn't there for this CPU.
func TestDlopenByBaseline(t *testing.T) {
	l := New(files{
		"bin/app": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			runpath: "/r",
		}, "lib64/ld-linux-x86-64.so.2": glibc236,
		"r/glibc-hwcaps/x86-64-v3/liba.so": elfSpec{
			soname: "liba.so", runpath: "/fast",
		},
		"r/liba.so":     elfSpec{soname: "liba.so", runpath: "/slow"},
		"slow/plug.so":  library("libb.so"),
		"lib64/libb.so": library(),
	}.view(), "/")
	l.CPU = CPU{Platform: "x86_64", HWCaps: []string{"x86-64-v3"}}
	c, err := l.Closure("/bin/app")
	require.NoError(t, err)
	least := c.Objects[slices.IndexFunc(c.Objects,
		func(o *Object) bool { return o.Name == "/r/liba.so" })]
	_, err = c.Dlopen("plug.so", least)
	require.NoError(t, err)
	assert.Nil(t, c.Find("plug.so"))
	assert.Nil(t, c.Find("libb.so"))
	assert.Equal(t, "/r/glibc-hwcaps/x86-64-v3/liba.so /r/liba.so /slow/plug.so "+
		"/lib64/libb.so", describe(c))
}

// An error says where was looked.
func TestNotFound(t *testing.T) {
	c, err := New(files{
		"lib64/ld-linux-x86-64.so.2": glibc,
		"bin/app": elfSpec{
			interp: glibcName, needed: []string{"liba.so"},
			runpath: "/r:$ORIGIN",
		},
	}.view(), "/").Closure("/bin/app")
	require.NoError(t, err)
	var missing *NotFound
	require.True(t, errors.As(c.Problems[0], &missing))
	assert.Equal(t, "[RUNPATH of /bin/app: /r, /bin /etc/ld.so.cache: no such file or "+
		"directory system directories: /lib64, /usr/lib64]", fmt.Sprint(missing.Searched))
	assert.Equal(t, []string{"/bin/app has $ORIGIN in a search path or name: that " +
		"needs /proc in a jail"}, c.Warnings)
}

func TestScripts(t *testing.T) {
	view := files{
		"bin/sh": program(), "usr/bin/env": program(), "usr/bin/awk": program(),
		"lib64/ld-linux-x86-64.so.2": glibc,
		"s":                          "#!/bin/sh -e\n", "nested": "#!/s\n",
		"env": "#!/usr/bin/env -S X=1 awk " +
			"-f\n", "noenv": "#!/usr/bin/env nonesuch\n",
		"loop": "#!/loop\n", "gone": "#!/nonesuch\n", "text": "hello",
		"long": strings.Repeat("#", 5000),
		"1":    "#!/2\n", "2": "#!/3\n", "3": "#!/4\n", "4": "#!/5\n", "5": "#!/bin/sh\n",
	}.view()
	var runs func(c *Closure) string
	runs = func(c *Closure) (s string) {
		s = c.Program.Name
		for _, run := range c.Runs {
			s += " (" + runs(run) + ")"
		}
		for _, problem := range c.Problems {
			s += " !" + problem.Error()
		}
		return s
	}
	for name, want := range map[string]string{
		"/s":      "/s (/bin/sh)",
		"/1":      "/1 (/2 (/3 (/4 (/5 (/bin/sh)))))",
		"/nested": "/nested (/s (/bin/sh))",
		"/env":    "/env (/usr/bin/env) (/usr/bin/awk)",
		"/noenv":  "/noenv (/usr/bin/env) !nonesuch, which /noenv needs: not found",
		"/gone": "/gone !/nonesuch, which /gone needs: open /nonesuch: no such file " +
			"or directory",
		"/loop": "/loop (/loop (/loop (/loop (/loop !/loop, which /loop needs: load " +
			"/loop: " +
			"too many levels of symbolic links))))",
	} {
		c, err := New(view, "/").Closure(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, runs(c))
	}
	for _, name := range []string{"/text", "/long", "/nonesuch", "/bin"} {
		_, err := New(view, "/").Closure(name)
		assert.Error(t, err, name)
	}
}

func TestWalk(t *testing.T) {
	view := files{
		"usr/lib/real.so": "x", "lib": "-> usr/lib",
		"usr/lib/a.so": "-> real.so", "abs": "-> /usr/lib/a.so",
		"up": "-> ../../lib/a.so", "loop": "-> loop", "dangling": "-> nowhere",
		"dir/sub": nil, "empty": "-> ",
		"tosub": "-> dir/sub",
	}.view()
	for _, c := range []struct{ name, want string }{
		{"/usr/lib/real.so", "/usr/lib/real.so"},
		{"usr//lib/./real.so", "/usr/lib/real.so"},
		{"/lib/a.so", "/usr/lib/real.so /lib>usr/lib /usr/lib/a.so>real.so"},
		{"/abs", "/usr/lib/real.so /abs>/usr/lib/a.so /usr/lib/a.so>real.so"},
		{"/up", "/usr/lib/real.so /up>../../lib/a.so /lib>usr/lib /usr/lib/a.so>real.so"},
		{
			"/dir/sub/../../lib/real.so",
			"/usr/lib/real.so /lib>usr/lib up:/dir/sub up:/dir",
		},
		{"/tosub/..", "/dir /tosub>dir/sub up:/dir/sub"}, // not "/"
		{"/", "/"},
		{"/loop", "too many levels of symbolic links"},
		{"/dangling", "no such file or directory"},
		{"/abs/x", "not a directory"},
		{"/usr/lib/real.so/.", "not a directory"},
		{"/usr/no/x", "no such file or directory"},
		{"/empty", "no such file or directory"},
		{"/a\x00b", "file name too long"},
		{strings.Repeat("/a", 3000), "file name too long"},
	} {
		tr := tree{fsys: view, dir: "/", entries: map[string]entry{}}
		p, err := tr.walk(c.name)
		if err != nil {
			assert.ErrorContains(t, err, c.want, c.name)
			continue
		}
		var got strings.Builder
		got.WriteString(p.Real)
		for _, link := range p.Links {
			got.WriteString(" " + link.Name + ">" + link.Target)
		}
		for _, dir := range p.Dirs {
			got.WriteString(" up:" + dir)
		}
		assert.Equal(t, c.want, got.String(), c.name)
	}
}
