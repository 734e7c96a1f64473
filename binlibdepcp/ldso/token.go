//go:build linux

package ldso

import (
	"regexp"
	"slices"
	"strings"
)

// Tokens are what the dynamic string tokens of ld.so(8) stand for.
type Tokens struct {
	Origin   string // the directory of the object that has the token
	Lib      string // such as lib64, or lib/x86_64-linux-gnu on Debian
	Platform string // such as x86_64
}

// token matches a token. What goes on with a letter, a digit or _ is none: $LIBS.
var token = regexp.MustCompile(
	`\$(?:\{(?:ORIGIN|LIB|PLATFORM)\}|(?:ORIGIN|LIB|PLATFORM)\b)`)

// Expand replaces the tokens $ORIGIN, $LIB and $PLATFORM, and ${ORIGIN} and so on. What
// looks like another one stays as it is. It fails if a token stands for nothing here.
func (t Tokens) Expand(s string) (expanded string, ok bool) {
	ok = true
	if !strings.Contains(s, "$") {
		return s, ok
	}
	return token.ReplaceAllStringFunc(s, func(token string) string {
		value := map[string]string{
			"ORIGIN": t.Origin, "LIB": t.Lib,
			"PLATFORM": t.Platform,
		}[strings.Trim(token, "${}")]
		ok = ok && value != ""
		return value
	}), ok
}

// usesOrigin reports whether a name or a search path depends on where its object lies.
func usesOrigin(s string) bool {
	return strings.Contains(s, "ORIGIN") &&
		slices.ContainsFunc(token.FindAllString(s, -1),
			func(token string) bool { return strings.Contains(token, "ORIGIN") })
}

// SplitPath takes a search path of glibc's apart: RPATH, RUNPATH or LD_LIBRARY_PATH,
// which has semicolons too. An empty element is the current directory, "."; a path that
// is empty as a whole has no elements. What comes a second time is dropped, and so is an
// element with a token that stands for nothing. Of more than maxDirs elements it returns
// one too many.
func SplitPath(s, separators string, t Tokens) []string {
	if s == "" {
		return nil
	}
	var dirs []string
	seen := map[string]bool{}
	for {
		end := strings.IndexAny(s, separators)
		element := s
		if end >= 0 {
			element = s[:end]
		}
		dir, ok := t.Expand(element)
		for len(dir) > 1 && strings.HasSuffix(dir, "/") {
			dir = dir[:len(dir)-1]
		}
		if dir == "" {
			dir = "."
		}
		if ok && !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
		if end < 0 || len(dirs) > maxDirs {
			return dirs
		}
		s = s[end+1:]
	}
}

// splitMusl takes a search path of musl's apart. Colons and newlines separate, and
// nothing stands for the current directory.
func splitMusl(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '\n' })
}

// expandMusl replaces $ORIGIN, the only token that musl knows, and one that needs no end.
// A search path with another one is void as a whole.
func expandMusl(s, origin string) (string, bool) {
	s = strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin).Replace(s)
	return s, !strings.Contains(s, "$") || strings.Contains(origin, "$")
}
