//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

// join enters containers that other programs have made.
func TestRuntimes(t *testing.T) {
	for _, runtime := range []string{"runc", "crun"} {
		for _, kind := range []string{"root", "rootless"} {
			t.Run(runtime+"/"+kind, func(t *testing.T) { enterRuntime(t, runtime, kind) })
		}
	}
}

func enterRuntime(t *testing.T, runtime, kind string) {
	if _, err := exec.LookPath(runtime); err != nil {
		t.Skipf("SKIPPED: needs %s", runtime)
	}
	if kind == "root" && !linux.InInitialUser() {
		t.Skip("SKIPPED: needs root of the machine")
	}
	steptest.NeedsHost(t)
	argument := map[string]string{
		"runc/root": "86420", "runc/rootless": "86421",
		"crun/root": "86422", "crun/rootless": "86423",
	}[runtime+"/"+kind]
	user := user(kind)
	dir := bundle(t, runtime, kind, user, "sleep", argument)
	// As the user, and for the runtime without a cgroup version 2 beside version 1, which
	// crun refuses.
	as := func(mounts string, args ...string) *exec.Cmd {
		line := "exec " + mounts
		if user != os.Getuid() {
			line += " setpriv --reuid=60203 --regid=60203 --clear-groups"
		}
		cmd := exec.Command("sh", append([]string{"-c", line + ` "$@"`, "sh"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "HOME="+dir)
		return cmd
	}
	const v1 = `unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2>&-; exec "$@"' sh`
	options := []string{runtime, "--root", dir + "/state"}
	if runtime == "crun" {
		options = append(options, "--cgroup-manager=disabled")
	}
	container := as(v1, append(options, "run", "join"+argument)...)
	var said bytes.Buffer
	container.Stderr = &said
	require.NoError(t, container.Start())
	ended := make(chan error, 1)
	go func() { ended <- container.Wait() }()
	var pid string
	for pid == "" {
		for _, p := range steptest.Processes("sleep " + argument) {
			pid = strconv.Itoa(p.PID)
		}
		select {
		case err := <-ended:
			t.Skipf("SKIPPED: %s can't run a container here: %v: %s", runtime, err, said.String())
		case <-time.After(10 * time.Millisecond):
		}
	}

	out, err := as("", steptest.Bin("join"), "-t", pid, "sh", "-c",
		"id -u; hostname; echo $PPID; echo /*; cat /proc/1/comm").CombinedOutput()
	assert.NoError(t, err, "%s", out)
	assert.Regexp(t, `^0\n(runc|crun)\n0\n/bin .*\nsleep\n$`, string(out))
	assert.NotContains(t, string(out), "/home")
	require.NoError(t, exec.Command("kill", "-KILL", pid).Run())
	<-ended
}

// user returns the user who runs the container.
func user(kind string) int {
	if kind == "rootless" && linux.InInitialUser() {
		return 60203
	}
	return os.Getuid()
}

// bundle makes a bundle for a runtime: a root file system, and a configuration that the
// runtime writes.
func bundle(t *testing.T, runtime, kind string, user int, args ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	run := func(args ...string) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
	}
	run("binlibdepcp", "-q", "sh", "sleep", "id", "hostname", "cat", "rootfs")
	if kind == "rootless" {
		run(runtime, "spec", "--rootless")
	} else {
		run(runtime, "spec")
	}
	file := dir + "/config.json"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(text, &config))
	process := config["process"].(map[string]any)
	process["terminal"], process["args"] = false, args
	if kind == "rootless" { // without a range of IDs, which not every user has
		one := []map[string]int{{"containerID": 0, "hostID": user, "size": 1}}
		system := config["linux"].(map[string]any)
		system["uidMappings"], system["gidMappings"] = one, one
	}
	text, err = json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o644))
	run("chown", "-R", fmt.Sprintf("%d:%d", user, user), dir)
	return dir
}
