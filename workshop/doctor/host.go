//go:build linux

package doctor

import (
	"os"
	"path/filepath"
	"strings"

	"nsteps/internal/cause"
	"nsteps/internal/cmdline"
)

// A host is what explains a failure. It decides nothing.
type host struct {
	*cause.Facts
	os    string // debian, fedora, arch, alpine, or "" for another one
	dir   string // where the programs of this suite are
	build string // the command that builds them there

	elsewhere   map[string]string // the files of commands that only PATH has
	outsidePATH map[string]string // the files of those that only a step finds
}

func gather() host {
	dir := programDir()
	h := host{
		// The fixes name a step, not this program.
		Facts: cause.Gather([]string{filepath.Join(dir, "step1-pid"), "-p"},
			"", cause.Root{}),
		os: osFamily(read("/etc/os-release")), dir: dir, build: buildCommand(dir),
		elsewhere: map[string]string{}, outsidePATH: map[string]string{},
	}
	for _, c := range commands {
		step, person := lookPath(c.name, cmdline.Path), lookPath(c.name,
			os.Getenv("PATH"))
		switch {
		case c.name == golang:
		case step == "" && person != "":
			h.elsewhere[c.name] = person
		case step != "" && person == "":
			h.outsidePATH[c.name] = step
		}
	}
	return h
}

func read(file string) string { return cause.Root{}.Read(file) }

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// osFamily returns the one of Distributions that an os-release(5) is of, or "".
func osFamily(release string) string {
	value := func(name string) string {
		for line := range strings.Lines(release) {
			if value, ok := strings.CutPrefix(line, name); ok {
				return strings.Trim(strings.TrimSpace(value), `"'`)
			}
		}
		return ""
	}
	for id := range strings.FieldsSeq(value("ID=") + " " + value("ID_LIKE=")) {
		switch id {
		case "debian", "ubuntu":
			return "debian"
		case "fedora", "rhel", "centos":
			return "fedora"
		case "arch", "alpine":
			return id
		}
	}
	return ""
}

// buildCommand returns what builds the programs where they are looked for.
func buildCommand(dir string) string {
	if filepath.Base(dir) == "bin" && exists(filepath.Join(dir, "../Makefile")) {
		return "make -C " + cmdline.Quote(filepath.Dir(dir)) + " build"
	}
	return "make build BIN=" + cmdline.Quote(dir)
}
