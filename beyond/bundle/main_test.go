//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/bundle", "step5-ipc", "binlibdepcp")
}

func TestScripts(t *testing.T) { steptest.ScriptsIn(t, "testdata") }

// bundleAndRun writes a bundle and lets a runtime run it. crun refuses a machine with
// both versions of cgroups, so version 2 is hidden from it.
const bundleAndRun = `umount /sys/fs/cgroup/unified 2>/dev/null
cd "$1" && shift && runtime=$1 && shift
rm -rf b && $AS "$BUNDLE" "$@" && exec $AS "$runtime" --root "$PWD/state" run --bundle b "$NAME"`

// runc and crun run each subset of the options, with a terminal and without. Who isn't
// root needs a USER namespace. Nothing is left in the image.
func TestEverySubset(t *testing.T) {
	steptest.NeedsHost(t)
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where runc is on Debian
	if os.Getuid() == 0 && !linux.InInitialUser() {
		t.Skip("SKIPPED: root of a USER namespace may not make cgroups")
	}
	for _, runtime := range []string{"runc", "crun"} {
		path, err := exec.LookPath(runtime)
		if err != nil {
			t.Run(runtime, func(t *testing.T) { t.Skip("SKIPPED:", err) })
			continue
		}
		for as, words := range map[string]string{
			"root": "", "ordinary user": strings.Join(steptest.Plain, " "),
		} {
			t.Run(runtime+" "+as, func(t *testing.T) {
				if os.Getuid() != 0 {
					if as == "root" {
						t.Skip("SKIPPED: needs root")
					}
					words = ""
				}
				everySubset(t, path, words, as == "root")
			})
		}
	}
}

func everySubset(t *testing.T, runtime, as string, root bool) {
	dir := t.TempDir()
	chown(t, dir, as)
	jail := exec.Command("sh", "-c", "exec "+as+" "+steptest.Bin("binlibdepcp")+
		" -q sh tty img")
	jail.Dir = dir
	out, err := jail.CombinedOutput()
	require.NoError(t, err, "%s", out)
	options := []string{"-p", "-u box", "-n", "-i", "-U"}
	for bits := range 1 << len(options) {
		line := []string{"-mr", "img"}
		for i, option := range options {
			if bits&(1<<i) != 0 {
				line = append(line, strings.Fields(option)...)
			}
		}
		if !root && !slices.Contains(line, "-U") {
			continue
		}
		for _, terminal := range []bool{false, true} {
			if terminal && bits&0b01110 != 0 { // only -p and -U make a difference
				continue
			}
			name := fmt.Sprintf("bundle-%d-%d-%v", os.Getpid(), bits, terminal)
			out, err := runIn(dir, runtime, as, name, line, terminal)
			assert.NoError(t, err, "%q: %s", line, out)
			assert.Contains(t, out, "hello", "%q", line)
			assert.NotContains(t, out, "writable", "%q", line)
			assert.Equal(t, terminal, strings.Contains(out, "/dev/"), "%q: %s", line, out)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "img/dev"))
	assert.NoError(t, err)
	assert.Empty(t, left)
}

// runIn runs a bundle with the options, as the user that the words as make.
func runIn(dir, runtime, as, name string, options []string, terminal bool,
) (string, error) {
	words := slices.Concat([]string{"sh", "-c", bundleAndRun, "sh", dir, runtime}, options,
		[]string{"b", "sh", "-c", "echo hello; tty; " +
			"(: >>/proc/sys/kernel/core_pattern) 2>/dev/null && echo writable || :"})
	if os.Getuid() == 0 {
		words = slices.Concat([]string{"unshare", "--mount"}, words)
	}
	if terminal {
		for i, word := range words {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = []string{"script", "-qec", strings.Join(words, " "), "/dev/null"}
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "BUNDLE="+steptest.Bin("bundle"), "AS="+as, "NAME="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// chown gives a directory to the user that the words as make, and lets that user reach
// it.
func chown(t *testing.T, dir, as string) {
	if as == "" {
		return
	}
	require.NoError(t, os.Chown(dir, 65534, 65534))
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
}
