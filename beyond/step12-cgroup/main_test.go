//go:build linux

package main

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, "beyond/step12-cgroup", "step1-pid", "beyond/step7-user", "workshop")
}

func TestScripts(t *testing.T) { steptest.Scripts(t, "step12-cgroup") }

func TestEverySubset(t *testing.T) {
	if _, err := linux.CgroupOf("self", "pids"); err != nil {
		t.Skip("SKIPPED: needs the controller pids")
	}
	options := []string{"-p", "-g pids.max=20"}
	if linux.InInitialUser() {
		steptest.CgroupRoom(t)
		steptest.EverySubset(t, nil, "step12-cgroup", options,
			func([]string) string { return "" })
	}
	inUser := []string{"unshare", "--user", "--map-root-user"}
	steptest.EverySubset(t, inUser, "step12-cgroup", options,
		func(subset []string) string {
			if linux.InInitialUser() || !slices.Contains(subset, "-g") {
				return "" // this root owns the host's cgroups
			}
			return "root of this USER namespace doesn't own the cgroup"
		})
}

// limits are for controllers that this machine has.
func limits(t *testing.T) (options []string) {
	t.Helper()
	for controller, limit := range map[string]string{
		"pids": "pids.max=50", "memory": "memory.max=64M", "hugetlb": "hugetlb.2MB.max=0",
	} {
		if group, err := linux.CgroupOf("self", controller); err == nil {
			handed, _ := os.ReadFile(group.Dir + "/../../cgroup.controllers") // above the room
			if group.Version == 1 || strings.Contains(string(handed), controller) {
				options = append(options, "-g", limit)
			}
		}
	}
	require.NotEmpty(t, options)
	return options
}

// What the command started ends with the step, and the cgroups are gone.
func TestNothingLeft(t *testing.T) {
	list := steptest.CgroupRoom(t)
	options := append(limits(t), "sh", "-c",
		"sleep 1000 & (setsid sleep 1001 & setsid nohup sleep 1002 &) >/dev/null 2>&1; exit 3")
	for _, more := range [][]string{nil, {"-p"}} {
		cmd := exec.Command("step12-cgroup", append(more, options...)...)
		out, _ := cmd.CombinedOutput()
		assert.Equal(t, 3, cmd.ProcessState.ExitCode(), string(out))
		assert.Empty(t, list())
	}
}

// However a run ends, its cgroups are gone after it. The next run removes those of a run
// that was killed with SIGKILL.
func TestKilledAtAnyTime(t *testing.T) {
	list := steptest.CgroupRoom(t)
	options := append(limits(t), "sh", "-c", "trap 'exit 3' TERM HUP; sleep 1000 & wait")
	for _, step := range [][]string{{"step12-cgroup"}, {"step12-cgroup", "-p"}} {
		steptest.KillAtAnyTime(t, t.TempDir(), append(step, options...)...)
	}
	require.NoError(t, exec.Command("step12-cgroup", append(limits(t), "true")...).Run())
	assert.Empty(t, list())
}

// The command or all of its processes are killed.
func TestKilledCommand(t *testing.T) {
	list := steptest.CgroupRoom(t)
	for _, kill := range []string{"kill -KILL $$", "kill -KILL 0"} {
		options := append(limits(t), "setsid", "--wait", "sh", "-c", "sleep 1000 & "+kill)
		cmd := exec.Command("step12-cgroup", options...)
		out, _ := cmd.CombinedOutput()
		assert.NotZero(t, cmd.ProcessState.ExitCode(), string(out))
		assert.Empty(t, list())
	}
}

// SIGKILL of the parent leaves the cgroup, with what the command started. The next run
// and workshop cleanup remove it, and not the cgroup of a run that goes on.
func TestLeftover(t *testing.T) {
	list := steptest.CgroupRoom(t)
	running := start(t, append(limits(t), "sh", "-c", "echo started; exec sleep 1000")...)
	kept := list()
	require.NotEmpty(t, kept)
	for _, collect := range [][]string{
		append([]string{"step12-cgroup"}, append(limits(t), "true")...),
		{"workshop", "cleanup"},
	} {
		killed := start(t, append(limits(t), "sh", "-c",
			"setsid sleep 1001 >/dev/null & echo started; wait")...)
		require.NoError(t, killed.Process.Kill())
		_ = killed.Wait()
		require.Greater(t, len(list()), len(kept))
		if collect[0] == "workshop" {
			out, _ := exec.Command("workshop", "cleanup", "-n").Output()
			assert.Regexp(t, `(?m)^would remove: cgroup /.*/nsteps-run-[0-9a-f]+$`, string(out))
			require.Greater(t, len(list()), len(kept))
		}
		out, err := exec.Command(collect[0], collect[1:]...).CombinedOutput()
		t.Logf("%v: %v: %s", collect, err, out)
		assert.ElementsMatch(t, kept, list())
	}
	require.NoError(t, running.Process.Signal(unix.SIGTERM))
	_ = running.Wait()
	assert.Empty(t, list())
}

// start starts the step, and waits until its command has printed "started".
func start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("step12-cgroup", args...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, len("started\n"))
	_, err = out.Read(line)
	require.NoError(t, err)
	require.Equal(t, "started\n", string(line))
	return cmd
}

// A step in another PID namespace may not be seen: its number is 0, and kill(2) of 0
// would end this test.
func TestLeftoverOfOtherPIDs(t *testing.T) {
	list := steptest.CgroupRoom(t)
	killed := start(t, append(limits(t), "sh", "-c",
		"setsid sleep 1001 >/dev/null & echo started; wait")...)
	require.NoError(t, killed.Process.Kill())
	_ = killed.Wait()
	require.NotEmpty(t, list())
	inner := exec.Command("step1-pid", append([]string{"-p", steptest.Bin("step12-cgroup")},
		append(limits(t), "true")...)...)
	inner.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := inner.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, exec.Command("step12-cgroup", append(limits(t), "true")...).Run())
	assert.Empty(t, list())
}

// Many runs at once don't take each other's cgroups for leftovers.
func TestAtOnce(t *testing.T) {
	list := steptest.CgroupRoom(t)
	var all []*exec.Cmd
	for n := range 20 {
		cmd := exec.Command("step12-cgroup", append(limits(t), "sh", "-c",
			"exit "+strconv.Itoa(n))...)
		require.NoError(t, cmd.Start())
		all = append(all, cmd)
	}
	for n, cmd := range all {
		_ = cmd.Wait()
		assert.Equal(t, n, cmd.ProcessState.ExitCode())
	}
	assert.Empty(t, list())
}

// Only the option needs cgroups.
func TestWithoutOption(t *testing.T) {
	steptest.NeedsHost(t)
	const line = "mount -t tmpfs none /sys/fs/cgroup && step12-cgroup -p sh -c 'echo $$'"
	out, err := exec.Command("unshare", "-m", "sh", "-c", line).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "1\n", string(out))
}
