//go:build linux

package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/internal/steptest"
)

func TestMain(m *testing.M) {
	steptest.Main(m, steptest.Steps("binlibdepcp", "workshop/doctor/testdata/workshop",
		"internal/steptest/filter")...)
}

// uses are what is done with each step, with all its options, or in a script.
var uses = map[string][]string{
	"step1-pid": {"-p ps -e --no-headers", "-p bash -c true"},
	"step2-mnt": {"-pm ps -e --no-headers", "-pm mount -V"},
	"step3-uts": {"-pmu box hostname"},
	"step4-net": {"-pmnu box ip -brief link"},
	"step5-ipc": {
		"-pmnu box -i no ipcs -q", "-pmnu box -i yes ipcs -q",
		"-i yes ipcmk -V", "-i yes ipcrm -V",
	},
	"step6-chroot":   {"-pmnu box -i yes -c $JAIL sh -c true"},
	"step7-user":     {"-pmnu box -U root ip -brief link", "-U nobody sh -c true"},
	"step8-pivot":    {"-pmr $JAIL sh -c true"},
	"step9-dev":      {"-pmdr $JAIL sh -c true"},
	"step10-overlay": {"-pmor $JAIL sh -c true", "-m mount -V"},
	"step11-veth": {
		"-pmnu box ip -brief link", "-ne 10.9.8.0/30 true",
	},
	// Without the limits, which need a cgroup of one's own.
	"step12-cgroup":  {"-p sh -c true"},
	"step13-caps":    {"-pml sh -c true", "-l mount -V"},
	"step14-seccomp": {"-ps sh -c true", "-s mount -V"},
	"step15-time":    {"-pt 1h sh -c true"},
	"join": {"sh: PATH=/usr/sbin:/usr/bin:/sbin:/bin; " +
		"$BIN/step1-pid -p sh -c 'echo ready; exec sleep 100' | { read ready || exit 1; " +
		"t=$(pgrep -P $(pgrep -P $$ -x step1-pid)); " +
		"$BIN/join -pt $t true; status=$?; kill -9 $t; exit $status; }"},
	"container":   {"-r $JAIL sh -c true"},
	"binlibdepcp": {"-q /bin/sh $OUT"},
}

// environments are made by scripts, which then execute what they are given, and in which
// steps of the workshop can't run.
var environments = []struct {
	name, script string
	cannot       string
	ids          []string
}{
	{"as it is", `exec "$@"`, "", nil},
	{"plain user", `exec unshare --user --map-user=1000 --map-group=1000 "$@"`, "", nil},
	{"root of a user namespace", `exec unshare --user --map-root-user "$@"`, "", nil},
	{
		"UID 65534",
		`exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`, "", nil,
	},
	{
		"no NET", `exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"' sh "$@"`,
		"step4-net step5-ipc step6-chroot",
		[]string{"limit"},
	},
	{
		"no UTS, no IPC", `exec unshare -Ur sh -c 'for n in uts ipc; do echo 0 >/proc/sys/user/max_${n}_namespaces; done
		exec "$@"' sh "$@"`,
		"step3-uts step4-net step5-ipc step6-chroot",
		[]string{"limit"},
	},
	{
		"no PID", `exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_pid_namespaces; exec "$@"' sh "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"limit"},
	},
	{
		"plain user, no USER", `exec unshare -Ur sh -c 'echo 1 >/proc/sys/user/max_user_namespaces
		exec unshare --user --map-user=1000 --map-group=1000 "$@"' sh "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"limit"},
	},
	{
		"masked proc",
		`exec unshare -m sh -c 'mount --bind /proc/sys /proc/sys; exec unshare -Urm "$@"' sh "$@"`,
		"step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"masked-proc"},
	},
	{
		"masked proc, plain user", `exec unshare -m sh -c 'mount --bind /proc/sys /proc/sys
		exec unshare --user --map-user=1000 --map-group=1000 -m "$@"' sh "$@"`,
		"step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"masked-proc"},
	},
	{
		"no proc", `exec unshare -m sh -c 'mount -t tmpfs none /proc; exec "$@"' sh "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"no-proc"},
	},
	{
		"chroot", chrootScript, "step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"chroot", "chroot-user"},
	},
	{
		"chroot, plain user", strings.Replace(chrootScript, `exec chroot`,
			`exec chroot --userspec=65534:65534 --groups=`, 1),
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"chroot-user"},
	},
	{
		"no queue bytes", `exec prlimit --msgqueue=0:819200 "$@"`,
		"step5-ipc step6-chroot",
		[]string{"queue-bytes"},
	},
	{
		"no queues",
		`exec unshare -Uri sh -c 'echo 0 >/proc/sys/fs/mqueue/queues_max; exec "$@"' sh "$@"`,
		"step5-ipc step6-chroot",
		[]string{"queue-number"},
	},
	{
		"small queues",
		`exec unshare -Uri sh -c 'echo 5 >/proc/sys/fs/mqueue/msg_max; exec "$@"' sh "$@"`,
		"step5-ipc step6-chroot",
		[]string{"queue-size"},
	},
	{
		"another user's queue", `exec unshare -im sh -c 'mkdir $OUT.queues; mount -t mqueue none $OUT.queues; umask 77
		touch $OUT.queues/ipc_namespace; exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"' sh "$@"`,
		"step5-ipc step6-chroot",
		[]string{"queue-owner"},
	},
	{
		"no capabilities",
		`exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"capability"},
	},
	{
		"seccomp", `exec filter namespaces 1 "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"seccomp"},
	},
	{
		"seccomp, ENOSYS", `exec filter namespaces 38 "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"seccomp"},
	},
	{
		"seccomp, plain user",
		`exec unshare --user --map-user=1000 --map-group=1000 filter namespaces 1 "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"seccomp"},
	},
	{
		"a security module", `exec filter namespaces 13 "$@"`,
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"lsm"},
	},
	{"no ip", without("ip"), "step4-net", []string{"packages"}},
	{"ip elsewhere", `mkdir $OUT.bin; cp $(command -v ip) $OUT.bin/ip; PATH=$PATH:$OUT.bin
		` + without("ip"), "step4-net", []string{"elsewhere"}},
	{
		"ip not in PATH",
		`mkdir $OUT.go; ln -s $(command -v go) $OUT.go/go; PATH=$BIN:$OUT.go; exec "$@"`,
		"", nil,
	},
	{
		"no ps, no ipcs", without("ps", "ipcs"), "step1-pid step2-mnt step5-ipc",
		[]string{"packages"},
	},
	{
		"plain user, no unshare",
		without("unshare", "--user --map-user=1000 --map-group=1000"),
		"step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot",
		[]string{"packages"},
	},
	{
		"simple ps", `exec unshare -m sh -c 'printf "#!/bin/sh\n[ \$# = 0 ]\n" >$OUT.ps; chmod 755 $OUT.ps
		mount --bind $OUT.ps $(readlink -f $(command -v ps)); exec "$@"' sh "$@"`,
		"step1-pid step2-mnt",
		[]string{"packages"},
	},
	{
		"no step3-uts",
		`exec unshare -m sh -c 'mount --bind /dev/null $BIN/step3-uts; exec "$@"' sh "$@"`,
		"step3-uts",
		[]string{"programs"},
	},
	{
		"no binlibdepcp",
		`exec unshare -m sh -c 'mount --bind /dev/null $BIN/binlibdepcp; exec "$@"' sh "$@"`,
		"binlibdepcp",
		[]string{"programs"},
	},
}

// A chroot environment whose root is no mount point.
const chrootScript = `exec unshare -m sh -c '
	for name in bin sbin lib lib32 lib64 libx32 usr etc proc; do
		if [ -L /$name ]; then
			cp -P /$name $ROOT/
		elif [ -d /$name ]; then
			mkdir $ROOT/$name; mount --rbind /$name $ROOT/$name
		fi
	done
	mkdir -p $ROOT/$TMP; mount --rbind $TMP $ROOT/$TMP
	cd $ROOT; exec chroot $ROOT "$@"' sh "$@"`

// without returns a script that hides commands, and is root, or in a user namespace by
// options of unshare(1). It is called before it can be hidden.
func without(names ...string) string {
	as := ""
	if strings.HasPrefix(names[len(names)-1], "--") {
		as, names = names[len(names)-1], names[:len(names)-1]
	}
	return fmt.Sprintf(`exec unshare -m sh -c '
		for name in %s; do files="$files $(readlink -f $(command -v $name))"; done
		cp $(command -v unshare) $OUT.unshare
		for file in $files; do mount --bind /dev/null $file; done
		exec $OUT.unshare %s "$@"' sh "$@"`, strings.Join(names, " "), as)
}

// TestEnvironments compares what the doctor says with what the steps do, in the same
// environment.
func TestEnvironments(t *testing.T) {
	steptest.NeedsHost(t)
	for _, test := range environments {
		t.Run(test.name, func(t *testing.T) {
			if !mapped(65534) && strings.Contains(test.script, "65534") {
				t.Skip("SKIPPED: needs the root of a machine, which can become nobody")
			}
			steptest.NeedsHost(t)
			e := newEnvironment(t, test.script)
			out, status := e.run("workshop", "doctor", "--json")
			var r report
			require.NoError(t, json.Unmarshal(out, &r), "%s", out)
			var ids []string
			for _, d := range r.Diagnoses {
				if d.ID != "cable" { // each USER namespace has it; assertTrue looks
					ids = append(ids, d.ID)
				}
				assert.NotEmpty(t, d.Fix)
				assert.NotEmpty(t, d.Cause)
			}
			e.assertTrue(r)
			assert.Equal(t, test.cannot, strings.Join(ofWorkshop(r).cannot(), " "))
			assert.Equal(t, test.ids, ids, "%s", out)
			assert.Equal(t, test.cannot == "", r.Can)
			assert.Equal(t, test.cannot != "", status == 1)
			e.assertFixes(r)
			var text strings.Builder
			write(&text, r, 80)
			assert.Equal(t, len(r.cannot()), strings.Count(text.String(), " can't\n"), text)
			t.Log(text.String())
		})
	}
}

// TestUses has a row for each program.
func TestUses(t *testing.T) {
	for _, name := range programNames() {
		assert.NotEmpty(t, uses[name], name)
	}
}

// assertTrue compares what the doctor says of each step with what the step does.
func (e *environment) assertTrue(r report) {
	working := e.working(slices.Sorted(maps.Keys(uses))...)
	for _, s := range r.Steps {
		if uses[s.Name] == nil {
			continue // TestUses says so
		}
		works := slices.Contains(working, s.Name)
		assert.Equal(e.t, works, s.Can, "%s works: %v, the doctor says: %v\n%v", s.Name,
			works, s.Can, r)
		assert.Equal(e.t, s.Can, len(s.Causes) == 0, "%v", s)
	}
}

// cannot returns the names of the steps that can't run.
func (r report) cannot() (names []string) {
	for _, s := range r.Steps {
		if !s.Can {
			names = append(names, s.Name)
		}
	}
	return names
}

// assertFixes types the fixes. Not everything can be fixed in here.
func (e *environment) assertFixes(r report) {
	canFix := []string{"limit", "queue-bytes", "queue-number", "queue-size"}
	if mapped(65534) {
		canFix = append(canFix, "no-proc")
	}
	for _, d := range r.Diagnoses {
		if slices.Contains(canFix, d.ID) && !strings.HasPrefix(d.Fix, "sudo ") {
			out, status := e.run("sh", "-c", d.Fix+" >/dev/null; exec workshop doctor")
			assert.Zero(e.t, status, "%s:\n%s", d.Fix, out)
		}
	}
}

// mapped reports whether this user namespace has that UID.
func mapped(uid int) bool {
	text, _ := os.ReadFile("/proc/self/uid_map")
	return slices.ContainsFunc(linux.ParseIDMap(string(text)), func(r linux.IDRange) bool {
		return uid >= r.Inside && uid-r.Inside < r.Count
	})
}

// An environment runs commands by way of a script.
type environment struct {
	t      *testing.T
	script string
	dir    string
	runs   int
}

func newEnvironment(t *testing.T, script string) *environment {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	e := &environment{t: t, script: script, dir: dir}
	for _, args := range [][]string{
		{steptest.Bin("binlibdepcp"), "-q", "/bin/sh", dir + "/jail"},
		{"mkdir", dir + "/jail/proc", dir + "/jail/dev", // a plain user couldn't
			dir + "/jail/run", dir + "/jail/tmp"},
	} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return e
}

// command returns a command in the environment, with a clean $ROOT and $OUT.
func (e *environment) command(args ...string) *exec.Cmd {
	e.runs++
	root, out := fmt.Sprintf("%s/root%d", e.dir,
		e.runs), fmt.Sprintf("%s/out%d", e.dir, e.runs)
	require.NoError(e.t, os.Mkdir(root, 0o755))
	cmd := exec.Command("sh",
		append([]string{"-euc", "files=\n" + e.script, "sh"}, args...)...)
	bin := filepath.Dir(steptest.Bin("workshop"))
	for i := range cmd.Args[4:] {
		cmd.Args[4+i] = strings.NewReplacer("$JAIL", e.dir+"/jail", "$OUT", out,
			"$BIN", bin).Replace(cmd.Args[4+i])
	}
	cmd.Env = append(os.Environ(), "ROOT="+root, "OUT="+out, "BIN="+bin,
		"TMP="+filepath.Dir(bin), "files=")
	return cmd
}

// run returns stdout and the exit status.
func (e *environment) run(args ...string) ([]byte, int) {
	e.t.Helper()
	cmd := e.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		e.t.Fatal(err)
	}
	assert.Empty(e.t, stderr.String())
	return out, cmd.ProcessState.ExitCode()
}

// working returns the steps of which all uses work, as this user or as root of a user
// namespace. The environment, which may take long to make, is made once for all.
func (e *environment) working(steps ...string) []string {
	e.t.Helper()
	var script strings.Builder
	for _, step := range steps {
		script.WriteString("{ false")
		for _, as := range []string{"", prefix} {
			script.WriteString(" || { :")
			for _, use := range uses[step] {
				command := steptest.Bin(step) + " " + use
				if text, ok := strings.CutPrefix(use, "sh: "); ok {
					command = "/bin/sh -c " + cmdline.Quote(text)
				}
				script.WriteString(" && " + as + " " + command)
			}
			script.WriteString("; }")
		}
		script.WriteString("; } >&2 && echo " + step + "\n")
	}
	out, err := e.command("/bin/sh", "-c", script.String()).Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		e.t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestNote has what a step finds, and a person doesn't.
func TestNote(t *testing.T) {
	steptest.NeedsHost(t)
	out, status := newEnvironment(t,
		`mkdir $OUT.go; ln -s $(command -v go) $OUT.go/go; PATH=$BIN:$OUT.go; exec "$@"`).run("workshop", "doctor", "--json")
	assert.Zero(t, status)
	var r report
	require.NoError(t, json.Unmarshal(out, &r))
	require.NotEmpty(t, r.Notes)
	note := r.Notes[len(r.Notes)-1]
	assert.Equal(t, "path", note.ID)
	assert.Contains(t, note.Error, "ip")
	assert.Contains(t, note.Fix, "PATH=$PATH:")
}

// TestAtOnce has many at the same time.
func TestAtOnce(t *testing.T) {
	steptest.NeedsHost(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			out, err := exec.Command("workshop", "doctor").Output()
			assert.NoError(t, err, "%s", out)
		})
	}
	wg.Wait()
}

// TestHang has a command that hangs: that isn't the same as one that can't.
func TestHang(t *testing.T) {
	steptest.NeedsHost(t)
	e := newEnvironment(t, `exec unshare -m sh -c 'printf "#!/bin/sh\nsleep 60\n" >$OUT.ip; chmod 755 $OUT.ip
		mount --bind $OUT.ip $(readlink -f $(command -v ip)); exec "$@"' sh "$@"`)
	out, status := e.run("workshop", "doctor")
	assert.Equal(t, 1, status)
	assert.Regexp(t,
		`(?m)^step4-net +unknown\n(.*\n)*  run ip: not done within \S+s\n(.*\n)*  fix: time ip -brief link\n`, string(out))
	assert.NotContains(t, string(out), "can't")
}

// TestSlow has a tenth of a processor. Nothing is condemned for that.
func TestSlow(t *testing.T) {
	steptest.NeedsHost(t)
	join := cgroup(t, "cpu", "cpu.cfs_quota_us", "10000")
	out, status := newEnvironment(t, join+`; exec "$@"`).run("workshop", "doctor")
	assert.Zero(t, status, "%s", out)
	assert.NotContains(t, string(out), "unknown")
}

// TestFewProcesses has as many processes as the steps need, and fewer.
func TestFewProcesses(t *testing.T) {
	steptest.NeedsHost(t)
	for _, limit := range []string{"30", "60"} {
		t.Run(limit, func(t *testing.T) {
			e := newEnvironment(t, cgroup(t, "pids", "pids.max", limit)+`; exec "$@"`)
			out, status := e.run("workshop", "doctor")
			assert.Zero(t, status, "pids.max %s: %s", limit, out)
			assert.Equal(t, []string{"step6-chroot"}, e.working("step6-chroot"))
		})
	}
}

// cgroup returns a command by which a shell joins a new cgroup with that limit.
func cgroup(t *testing.T, controller, file, value string) string {
	dir := filepath.Join("/sys/fs/cgroup", controller,
		fmt.Sprintf("nsteps-%d", os.Getpid()))
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		t.Cleanup(func() { assert.NoError(t, os.Remove(dir)) })
		err = os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644)
	}
	if err != nil {
		t.Skipf("SKIPPED: needs root, and cgroups of version 1: %v", err)
	}
	return "echo 0 >" + dir + "/cgroup.procs"
}

// TestFewDescriptors: no package is missing.
func TestFewDescriptors(t *testing.T) {
	steptest.NeedsHost(t)
	for _, limit := range []string{"5", "6", "8", "10"} {
		out, _ := newEnvironment(t, "ulimit -n "+limit+`; exec "$@"`).run("workshop",
			"doctor", "--json")
		var r report
		require.NoError(t, json.Unmarshal(out, &r), "%s", out)
		for _, d := range append(r.Diagnoses, r.Notes...) {
			assert.Equal(t, "files", d.ID, "ulimit -n %s: %v", limit, d)
		}
	}
}

// TestOneUserNamespace allows a single one: the doctor mustn't hold it itself.
func TestOneUserNamespace(t *testing.T) {
	steptest.NeedsHost(t)
	e := newEnvironment(t, `exec unshare -Ur sh -c 'echo 2 >/proc/sys/user/max_user_namespaces
		exec unshare --user --map-user=1000 --map-group=1000 "$@"' sh "$@"`)
	for range 5 {
		out, status := e.run("workshop", "doctor")
		assert.Zero(t, status, "%s", out)
		assert.Contains(t, string(out), prefix)
	}
}

// TestNoGo: a chapter needs Go, though no step does.
func TestNoGo(t *testing.T) {
	steptest.NeedsHost(t)
	out, status := newEnvironment(t, `PATH=$BIN:/usr/sbin:/usr/bin:/sbin:/bin
		if command -v go >/dev/null; then PATH=$BIN; fi; exec "$@"`).run("workshop", "doctor")
	assert.Equal(t, 1, status)
	assert.Regexp(t, `(?m)^step5-ipc +can\nstep6-chroot +can't\n`, string(out))
	assert.Regexp(t, `(?m)^  chapter 6 builds a program with Go.*`, string(out))
}

// TestMountPoint has a name that would change the colours of the terminal.
func TestMountPoint(t *testing.T) {
	steptest.NeedsHost(t)
	e := newEnvironment(t, `exec unshare -m sh -c 'mount -t tmpfs none /proc/fs && dir=$(printf "/proc/fs/\033[31m")
		mkdir $dir && mount -t tmpfs none $dir; exec unshare -Urm "$@"' sh "$@"`)
	for _, args := range [][]string{
		{"workshop", "doctor"},
		{"workshop", "doctor", "--json"},
	} {
		out, status := e.run(args...)
		assert.Equal(t, 1, status, "%s", out)
		assert.Contains(t, string(out), "/proc/fs/")
		assert.NotContains(t, string(out), "\x1b")
	}
}

// TestKilled kills the doctor in the middle: nothing is left. NeedsHost compares.
func TestKilled(t *testing.T) {
	for name, script := range map[string]string{
		"root":       `exec "$@"`,
		"plain user": `exec unshare --user --map-user=1000 --map-group=1000 "$@"`,
	} {
		t.Run(name, func(t *testing.T) {
			steptest.NeedsHost(t)
			e := newEnvironment(t, script)
			killed := 0
			for range steptest.Soak(20) {
				cmd := e.command(steptest.Bin("workshop"), "doctor")
				require.NoError(t, cmd.Start())
				time.Sleep(rand.N(100 * time.Millisecond))
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if !cmd.ProcessState.Exited() {
					killed++
				}
			}
			assert.NotZero(t, killed)
		})
	}
}

func TestUsage(t *testing.T) {
	steptest.NeedsHost(t)
	for _, args := range []string{"--nonesuch", "step1", "--probe nonesuch"} {
		cmd := exec.Command("workshop", append([]string{"doctor"},
			strings.Fields(args)...)...)
		out, err := cmd.CombinedOutput()
		assert.Error(t, err)
		assert.Equal(t, 125, cmd.ProcessState.ExitCode(), "%s", out)
		assert.Equal(t, 1, strings.Count(string(out), "\n"), "%s", out)
	}
	help, err := exec.Command("workshop", "doctor", "--help").Output()
	assert.NoError(t, err)
	assert.Contains(t, string(help), "--json")
	assert.NotContains(t, string(help), "probe ")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	var stderr bytes.Buffer
	cmd := exec.Command("workshop", "doctor")
	cmd.Stdout, cmd.Stderr = full, &stderr
	assert.Error(t, cmd.Run())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Contains(t, stderr.String(), "write standard output: no space left on device")
}

// TestTerminal has a terminal of 20 columns, with colours and without.
func TestTerminal(t *testing.T) {
	steptest.NeedsHost(t)
	for _, plain := range []string{"", "1"} {
		cmd := exec.Command("workshop", "doctor")
		cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR="+plain)
		terminal := steptest.OpenColumns(t, 20, cmd)
		assert.Zero(t, terminal.Wait())
		out := terminal.All()
		assert.Equal(t, plain == "", strings.Contains(out, "\x1b[32mcan"), "%q", out)
		assert.Contains(t, out, "step6-chroot")
	}
}
