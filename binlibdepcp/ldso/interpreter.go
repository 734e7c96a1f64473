//go:build linux

package ldso

import (
	"bytes"
	"path"
	"strings"
)

// An Interpreter is a dynamic linker, and what was built into it as strings: so it needs
// no guess where a distribution, or a foreign machine, keeps its libraries.
type Interpreter struct {
	Musl       bool
	SystemDirs []string // where libraries are searched for last
	Lib        string   // what $LIB stands for
	Cache      string   // the path of glibc's ld.so.cache
	PathFile   string   // the path of musl's ld-musl-ARCH.path, below a prefix
	Version    string   // of glibc since 2.33, such as 2.36
}

// ParseInterpreter looks for the strings in the bytes of the interpreter's file.
func ParseInterpreter(b []byte) Interpreter {
	if i := bytes.Index(b, []byte("/etc/ld-musl-")); i >= 0 {
		in := Interpreter{Musl: true, PathFile: cString(b[i:])}
		if !strings.HasSuffix(in.PathFile, ".path") {
			in.PathFile = ""
		}
		// The default path is one string. Debian has a directory more at its start.
		if before, _, ok := bytes.Cut(b, []byte("/lib:/usr/local/lib:/usr/lib")); ok {
			start := bytes.LastIndexByte(before, 0) + 1
			in.SystemDirs = splitMusl(cString(b[start:]))
		}
		return in
	}
	in := Interpreter{SystemDirs: systemDirs(b)}
	if before, _, ok := bytes.Cut(b, []byte("/ld.so.cache\x00")); ok {
		in.Cache = cString(b[bytes.LastIndexByte(before, 0)+1:])
	}
	in.Version = parseRelease(b)
	// $LIB is the last part of the first system directory; on Debian, its last two.
	if len(in.SystemDirs) > 0 {
		dir := in.SystemDirs[0]
		in.Lib = path.Base(dir)
		two := path.Join(path.Base(path.Dir(dir)), in.Lib)
		if bytes.Contains(b, []byte("\x00"+two+"\x00")) {
			in.Lib = two
		}
	}
	return in
}

// systemDirs returns the longest run of strings that each start and end with a slash:
// the array system_dirs of elf/dl-load.c.
func systemDirs(b []byte) []string {
	var longest, run []string
	end := -1 // of the run
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("/\x00"))
		if i < 0 {
			return longest
		}
		at += i + 1 // now at the NUL
		start := bytes.LastIndexByte(b[:at], 0) + 1
		if start != end+1 {
			run = nil
		}
		if at-start > 4096 {
			continue
		}
		dir := path.Clean(string(b[start:at]))
		if dir == "/" || dir[0] != '/' || len(dir) != at-start-1 {
			continue
		}
		run, end = append(run, dir), at
		if len(run) > len(longest) {
			longest = run
		}
	}
}

// cString returns the bytes up to a NUL, as far as a path can go.
func cString(b []byte) string {
	b = b[:min(len(b), 4096)]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
