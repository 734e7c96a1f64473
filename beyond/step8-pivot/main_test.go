//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step8-pivot", "beyond/step7-user", "step6-chroot", "step2-mnt",
		"binlibdepcp", "beyond/step8-pivot/testdata/escape")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step8-pivot") }

// What make rootfs makes is a root file system, of busybox or of the machine's programs.
func TestRootfs(t *testing.T) {
	steptest.NeedsHost(t)
	for name, busybox := range map[string]string{"tools": "", "busybox": "/bin/busybox"} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(busybox); busybox != "" && err != nil {
				t.Skip("SKIPPED: needs busybox-static")
			}
			dir := t.TempDir() + "/img"
			build := func() (string, error) {
				out, err := exec.Command("make", "-s", "-C", steptest.Module(), "-o", "build",
					"rootfs", "BIN="+filepath.Dir(steptest.Bin("binlibdepcp")), "DIR="+dir,
					"BUSYBOX="+busybox).CombinedOutput()
				return string(out), err
			}
			out, err := build()
			require.NoError(t, err, out)
			cmd := exec.Command("step8-pivot", "-pmr", dir, "sh", "-c",
				"ps; id -un; stat -c %a /tmp; ls -d /dev /proc /sys /run /root; cat /etc/hosts")
			listed, err := cmd.CombinedOutput()
			require.NoError(t, err, string(listed))
			assert.Regexp(t, `(?s) 1 .*\n1777\n/dev\n/proc\n/root\n/run\n/sys\n127.0.0.1 `,
				string(listed))

			// A tree that is there already may have links to the outside.
			out, err = build()
			assert.Error(t, err)
			assert.Contains(t, out, "isn't empty; choose another directory: make rootfs DIR=")
		})
	}
}

// The keys of a terminal work in an image, which has no /dev/tty.
func TestTerminal(t *testing.T) {
	tt := steptest.OpenShell(t)
	image := t.TempDir() + "/img"
	tt.Run("binlibdepcp -q cat sleep " + image)
	tt.Type("step8-pivot -pmr " + image + " cat -u\n")
	steptest.WaitForProcess(t, "cat -u", "S")
	tt.Type(steptest.CtrlZ)
	tt.Expect(`Stopped.*\n(.*\n)*host> $`)
	steptest.WaitForProcess(t, "cat -u", "T")
	tt.Type("fg\n")
	tt.Expect("cat -u\n")
	tt.Type("one\n")
	tt.Expect("(one\n.*){2}")
	tt.Type(steptest.CtrlD)
	tt.Expect("host> $")
	tt.AssertStatus("0")
	tt.Type("step8-pivot -mr " + image + " sleep 86308\n")
	steptest.WaitForProcess(t, "sleep 86308", "S")
	tt.Type(steptest.CtrlC)
	tt.Expect("host> $")
	tt.AssertStatus("130")
}

// Whenever it is killed, nothing is left.
func TestKilled(t *testing.T) {
	steptest.NeedsHost(t)
	dir := t.TempDir()
	out, err := exec.Command(steptest.Bin("binlibdepcp"), "-q", "sleep",
		dir+"/img").CombinedOutput()
	require.NoError(t, err, string(out))
	steptest.KillAtAnyTime(t, dir, "step8-pivot", "-pmr", "img", "sleep", "86400")
	steptest.KillAtAnyTime(t, dir, "step7-user", "-U", "root", steptest.Bin("step8-pivot"),
		"-pmr", "img", "sleep", "86400")
}
