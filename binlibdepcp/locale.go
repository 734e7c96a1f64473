//go:build linux

package main

import (
	"path"
	"slices"
	"strings"
)

// localeDir is where glibc has its locales: locale(7).
const localeDir = "/usr/lib/locale"

// locale adds the locales of these names, and C.UTF-8. glibc has a directory for each, or
// one file, locale-archive, for all of them.
func (e *extras) locale(names []string) {
	found := e.localeDirectory("C.UTF-8")
	for _, name := range names {
		if e.localeDirectory(name) || e.add(path.Join(localeDir, "locale-archive")) {
			found = true
		} else {
			e.notes = append(e.notes, "no locale "+name+" in "+localeDir)
		}
	}
	found = e.add("/usr/share/locale/locale.alias") || found
	if !found {
		e.notes = append(e.notes, "no locales in "+localeDir+": only glibc has any there")
	}
}

// localeDirectory adds the directory of a locale, and reports whether it is there.
func (e *extras) localeDirectory(name string) bool {
	for _, name := range localeSpellings(name) {
		place, err := e.linker.Place(path.Join(localeDir, name))
		if err == nil && place.Info.IsDir() {
			e.walk(place, nil)
			return true
		}
	}
	return false
}

// localeNames returns the locales that the environment names: setlocale(3).
func localeNames(getenv func(string) string) (names []string) {
	for _, variable := range []string{
		"LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES",
		"LC_MONETARY", "LC_NUMERIC", "LC_TIME", "LANG",
	} {
		name := getenv(variable)
		if name == "" || name == "C" || name == "POSIX" || strings.Contains(name, "/") ||
			strings.HasPrefix(name, ".") || isC(name) || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
	}
	return names
}

func isC(name string) bool { return slices.Contains(localeSpellings(name), "C.utf8") }

// localeSpellings returns the names that the directory of a locale may have: with the
// character set as it is spelt, with its letters and digits alone, and without it.
func localeSpellings(name string) []string {
	base, charset, _ := strings.Cut(name, ".")
	charset, modifier, modified := strings.Cut(charset, "@")
	if modified {
		modifier = "@" + modifier
	}
	if charset == "" {
		return []string{name}
	}
	return []string{name, base + "." + normalCharset(charset) + modifier, base + modifier}
}

// normalCharset returns a name of a character set as glibc compares it, utf8 for UTF-8.
func normalCharset(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// needsCharset reports whether glibc needs a module of gconv for the character set of any
// of these locales. UTF-8 is built in.
func needsCharset(locales []string) bool {
	return slices.ContainsFunc(locales, func(name string) bool {
		_, charset, _ := strings.Cut(name, ".")
		charset, _, _ = strings.Cut(charset, "@")
		return normalCharset(charset) != "utf8"
	})
}
