//go:build linux

package ldso

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The parsers take anything without a panic, without much memory, and in the end. More
// inputs than those here lie in testdata/fuzz.

func FuzzParseFile(f *testing.F) {
	f.Add(glibc)
	f.Add(musl)
	f.Add(elfSpec{
		interp: glibcName, needed: []string{"liba.so", "libb.so"},
		rpath: "/r", runpath: "/s",
		note: note("FDO\x00", noteDlopen, `[{"soname":["libz.so"]}]`),
	}.bytes())
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parseBytes(b)
		if err == nil {
			assert.LessOrEqual(t, len(file.Needs), maxNeeds)
			for _, need := range file.Needs {
				assert.LessOrEqual(t, len(need.Name), maxString)
			}
		}
	})
}

func FuzzParseDlopen(f *testing.F) {
	f.Add(note("FDO\x00", noteDlopen,
		`[{"feature":"x","soname":["liba.so"],"priority":"required"}]`), uint64(4))
	f.Add(note("GNU\x00", 3, "id"), uint64(8))
	f.Fuzz(func(t *testing.T, b []byte, align uint64) {
		_, _ = ParseDlopen(b, binary.LittleEndian, align)
		_, _ = ParseDlopen(b, binary.BigEndian, align)
	})
}

// What was read from a cache, and written, is read as the same.
func FuzzParseCache(f *testing.F) {
	entries := Cache{
		{Name: "liba.so", Path: "/liba.so", Flags: 3},
		{Name: "libb.so", Path: "/b", HWCap: "x86-64-v3"},
	}
	f.Add(entries.Bytes(binary.LittleEndian))
	f.Add(entries.Bytes(binary.BigEndian))
	f.Add([]byte("ld.so-1.7.0\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCache(b)
		if err != nil {
			return
		}
		for _, e := range c {
			c.Lookup(e.Name, e.Flags, CPU{HWCaps: []string{e.HWCap}})
		}
		once := c.Bytes(binary.LittleEndian)
		again, err := ParseCache(once)
		assert.NoError(t, err)
		assert.ElementsMatch(t, c, again)
		assert.Equal(t, once, again.Bytes(binary.LittleEndian))
	})
}

func FuzzParseInterpreter(f *testing.F) {
	f.Add(glibc)
	f.Add(musl)
	f.Add([]byte(
		"\x00/lib/\x00/usr/lib/\x00lib\x00/etc/ld.so.cache\x00release version 2.36."))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, dir := range ParseInterpreter(b).SystemDirs {
			assert.LessOrEqual(t, len(dir), 4096)
		}
	})
}

func FuzzSplitPath(f *testing.F) {
	f.Add("$ORIGIN/../lib:${LIB}::/x/", "/o")
	f.Fuzz(func(t *testing.T, s, origin string) {
		for _, dir := range SplitPath(s, ":", Tokens{Origin: origin, Lib: "lib"}) {
			assert.NotEmpty(t, dir)
		}
		_, _ = expandMusl(s, origin)
	})
}

func FuzzParseScript(f *testing.F) {
	f.Add([]byte("#! /usr/bin/env -S A=b perl -w\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, argument, ok := ParseScript(b)
		assert.Equal(t, ok, name != "")
		assert.NotContains(t, name+argument, "\n")
		assert.NotContains(t, name, " ")
		ParseEnv(argument)
	})
}
