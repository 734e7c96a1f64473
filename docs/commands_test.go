//go:build linux

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/cmdline"
	"nsteps/workshop/doctor"
	"nsteps/workshop/page"
)

// arguments are words of the pages that are names of programs, and aren't typed as such,
// or only if they are there.
var arguments = []string{
	"size", "route", "script", "passwd", "top", "iconv", "open", "busybox", "time",
}

// Whatever program the pages type is tried by the doctor, or comes with a package that it
// tries, or every Debian has it, or the page says that it needs it: a person who lacks a
// program is told so beforehand.
func TestCommands(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("SKIPPED: needs dpkg-query, to know the package of a program")
	}
	known := programs(t, doctor.Packages("debian"))
	word := regexp.MustCompile(`[A-Za-z0-9_.+-]+`)
	typed := 0
	for file, text := range pages(t) {
		c, err := page.Parse(file, text)
		require.NoError(t, err)
		for _, step := range c.Steps() {
			if step.Kind != page.Commands || strings.HasSuffix(file, "binlibdepcp.md") {
				continue // that page fills jails with programs that a machine may lack
			}
			for _, name := range word.FindAllString(strings.Join(step.Lines, "\n"), -1) {
				path := installed(name)
				if path == "" || slices.Contains(arguments, name) ||
					slices.Contains(c.Needs, name) {
					continue
				}
				typed++
				assert.True(t, known[name] || known[filepath.Base(path)],
					"%s:%d types %s, which the doctor doesn't look for",
					file, step.At, name)
			}
		}
	}
	assert.Greater(t, typed, 100)
}

// installed returns the file of a program, without links, or "".
func installed(name string) string {
	for _, dir := range filepath.SplitList(cmdline.Path) {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// programs returns the names of the programs of packages, and of those that every Debian
// has.
func programs(t *testing.T, packages map[string]string) map[string]bool {
	t.Helper()
	var list []string
	for _, name := range packages {
		list = append(list, name)
	}
	all, err := exec.Command("dpkg-query", "-W", "-f",
		"${Package} ${Essential} ${Priority}\n").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(all)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && (fields[1] == "yes" || fields[2] == "required") {
			list = append(list, fields[0])
		}
	}
	known := map[string]bool{"go": true}
	// Some packages may not be installed.
	files, _ := exec.Command("dpkg-query", append([]string{"-L"}, list...)...).Output()
	for file := range strings.Lines(string(files)) {
		if dir := filepath.Base(filepath.Dir(file)); dir == "bin" || dir == "sbin" {
			known[strings.TrimSpace(filepath.Base(file))] = true
		}
	}
	return known
}
