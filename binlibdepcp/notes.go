//go:build linux

package main

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"nsteps/binlibdepcp/ldso"
	"nsteps/internal/cmdline"
)

// A known program reads files that no header names.
type known struct {
	name *regexp.Regexp // of its file, without links
	// Directories and files, as patterns of path.Match. PREFIX is the directory above the
	// program's, VERSION the first group of the name.
	paths []string
	with  []string
	words string // on what can't be copied
}

// knownPrograms are the programs that people copy most often. needMore finds out which of
// their paths exist on this machine.
var knownPrograms = []known{
	{
		name: regexp.MustCompile(`^python(3[.0-9]*)$`),
		paths: []string{
			"PREFIX/lib/pythonVERSION", "PREFIX/lib64/pythonVERSION",
			"PREFIX/lib/python3/dist-packages", "/dev/null",
		},
	},
	{
		name: regexp.MustCompile(`^perl[.0-9]*$`),
		paths: []string{
			"PREFIX/lib/*-linux-*/perl-base", "PREFIX/lib/*-linux-*/perl/5*",
			"PREFIX/lib/*-linux-*/perl5", "PREFIX/share/perl/5*", "PREFIX/share/perl5",
			"PREFIX/lib/perl5", "PREFIX/lib64/perl5", "/dev/null",
		},
	},
	{
		name: regexp.MustCompile(`^git$`),
		paths: []string{
			"PREFIX/lib/git-core", "PREFIX/libexec/git-core",
			"PREFIX/share/git-core",
			"/dev/null", "/dev/urandom",
		},
	},
	{
		name:  regexp.MustCompile(`^vim(\.[a-z0-9]+)?$`),
		paths: []string{"PREFIX/share/vim", "/etc/vim", "/etc/vimrc"},
		with:  []string{"terminfo"},
	},
	{
		name: regexp.MustCompile(`^ssh$`),
		paths: []string{
			"/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d",
			"/etc/crypto-policies/back-ends/openssh.config", "/dev/null",
		},
		with: []string{"nss"},
	},
	{
		name:  regexp.MustCompile(`^tmux$`),
		paths: []string{"/bin/sh", "/dev/null"},
		with:  []string{"nss", "terminfo", "locale"},
		words: "; it also needs a devpts on /dev/pts, /dev/ptmx, and LC_ALL=C.UTF-8",
	},
}

// needMore notes the options that bring the files which known programs read, unless they
// are given.
func (e *extras) needMore(closures []*ldso.Closure, with, also []string) {
	for _, c := range all(closures) {
		for _, program := range knownPrograms {
			match := program.name.FindStringSubmatch(path.Base(c.Program.Real))
			if match == nil {
				continue
			}
			var options []string
			for _, kind := range program.with {
				if !slices.Contains(with, kind) {
					options = append(options, "--with "+kind)
				}
			}
			names := e.existing(c.Program, program.paths, match)
			if more := e.alsoOptions(names, also); more != nil {
				// -q, since a line for each file of a tree would hide what matters
				options = append(append([]string{"-q"}, options...), more...)
			}
			if options != nil {
				e.notes = append(e.notes,
					fmt.Sprintf("%s reads files that no header names: add %s%s",
						path.Base(c.Program.Name), strings.Join(options,
							" "), program.words))
			}
		}
	}
}

// alsoOptions returns an option --also for each path that isn't given yet.
func (e *extras) alsoOptions(names, also []string) (options []string) {
	for _, name := range names {
		if !e.isGiven(name, also) {
			options = append(options, "--also "+cmdline.Quote(name))
		}
	}
	return options
}

// existing returns the paths of patterns that are there. Of several that lead to the same
// place it returns the first one.
func (e *extras) existing(program *ldso.Object, patterns,
	match []string,
) (names []string) {
	prefix := strings.TrimSuffix(path.Dir(path.Dir(program.Real)), "/")
	version := ""
	if len(match) > 1 {
		version = match[1]
	}
	if strings.TrimPrefix(version, "3.") == version {
		version = "3.*" // python3 that is no link to python3.11
	}
	var seen []string
	places := strings.NewReplacer("PREFIX", prefix, "VERSION", version)
	for _, pattern := range patterns {
		for _, name := range e.glob(places.Replace(pattern)) {
			place, err := e.linker.Place(name)
			if err == nil && !slices.Contains(seen, place.Real) {
				seen = append(seen, place.Real)
				names = append(names, name)
			}
		}
	}
	return names
}

// glob is like filepath.Glob, in the tree of --root.
func (e *extras) glob(pattern string) []string {
	found := []string{"/"}
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []string
		for _, dir := range found {
			next = append(next, e.matches(dir, part)...)
		}
		found = next
	}
	return found
}

// matches returns the paths in a directory whose last part matches a pattern.
func (e *extras) matches(dir, pattern string) (names []string) {
	place, err := e.linker.Place(dir)
	if err != nil || !place.Info.IsDir() {
		return nil
	}
	bases := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		bases, _ = e.linker.ReadDir(place)
	}
	for _, base := range bases {
		name := path.Join(dir, base)
		if ok, _ := path.Match(pattern, base); !ok {
			continue
		}
		if _, err := e.linker.Place(name); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// isGiven reports whether --also names a path, or a directory above it.
func (e *extras) isGiven(name string, also []string) bool {
	return slices.ContainsFunc(also, func(given string) bool {
		if abs, err := filepath.Abs(given); err == nil && e.root == "" {
			given = abs
		}
		return name == path.Clean(given) || strings.HasPrefix(name, path.Clean(given)+"/")
	})
}
