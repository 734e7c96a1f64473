//go:build linux

package steptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// inUserNamespace runs a shell script as root of a new user and mount namespace.
func inUserNamespace(t *testing.T, script string) (output string, status int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{
			ContainerID: 0,
			HostID:      os.Getuid(), Size: 1,
		}},
		GidMappings: []syscall.SysProcIDMap{{
			ContainerID: 0,
			HostID:      os.Getgid(), Size: 1,
		}},
	}
	out, err := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return string(out), cmd.ProcessState.ExitCode()
}

// The namespaces of a user namespace can be used up: ENOSPC isn't the disk.
func TestNoMoreNamespaces(t *testing.T) {
	NeedsHost(t)
	for step, limit := range map[string]string{
		"step1-pid -p":       "user.max_pid_namespaces",
		"step2-mnt -pm":      "user.max_mnt_namespaces",
		"step3-uts -pmu box": "user.max_uts_namespaces",
		"step4-net -pmn":     "user.max_net_namespaces",
		"step5-ipc -pmi yes": "user.max_ipc_namespaces",
	} {
		file := "/proc/sys/" + strings.Replace(limit, ".", "/", 1)
		out, status := inUserNamespace(t, "echo 0 >"+file+" && exec "+step+" true")
		assert.Equal(t, 125, status, out)
		assert.Regexp(t, `^step\S+: clone CLONE_\S+: no space left on device\n`+
			`  not the disk: `+limit+` is 0: sysctl -w `+limit+`=10000\n$`, out)
		assert.Empty(t, Queues())

		// The hint fixes it.
		out, status = inUserNamespace(t,
			"echo 0 >"+file+" && "+step+" true; echo 10000 >"+file+" && "+step+" true")
		assert.Equal(t, 0, status, out)
	}
}

// Under a masked /proc, as in a container, a new proc may not be mounted.
func TestMaskedProc(t *testing.T) {
	NeedsHost(t)
	out, status := inUserNamespace(t,
		"mount -t tmpfs mask /proc/sys/kernel 2>/dev/null || "+
			"mount -t tmpfs mask /proc/fs; exec unshare --user --map-root-user "+
			"step2-mnt "+
			"-pm true")
	assert.Equal(t, 125, status, out)
	assert.Regexp(t, `^step2-mnt: mount proc on /proc: operation not permitted\n`+
		`  mounts hide parts of /proc \(/proc/\S+\), and a new proc would show them; .*: \S+ .*\n$`, out)
}

// EMFILE isn't the open files: the quota for queues is used up.
func TestNoMoreQueues(t *testing.T) {
	NeedsHost(t)
	for _, value := range []string{"no", "yes"} {
		out, status := inUserNamespace(t,
			"exec prlimit --msgqueue=100 step5-ipc -i "+value+" true")
		assert.Equal(t, 125, status, out)
		assert.Regexp(t, `^step5-ipc: mq_open /ipc_namespace: too many open files\n`+
			`  not open files: .* RLIMIT_MSGQUEUE .*; raise it: prlimit --pid \$\$ --msgqueue=819200\n`+
			`  or remove queues: rm /dev/mqueue/NAME\n$`, out)
	}
	require.NoError(t, os.WriteFile("/proc/sys/fs/mqueue/queues_max", []byte("0"), 0))
	defer os.WriteFile("/proc/sys/fs/mqueue/queues_max", []byte("256"), 0)
	// Root of the initial user namespace, with CAP_SYS_RESOURCE, is above that limit.
	out, status := inUserNamespace(t, "exec step5-ipc -i no true")
	assert.Equal(t, 125, status, out)
	assert.Regexp(t,
		`mq_open /ipc_namespace: no space left on device\n.*sysctl -w fs.mqueue.queues_max`, out)
}

// In a chroot, the root directory is no mount point, so that its mounts can't be made
// private.
func TestInChroot(t *testing.T) {
	NeedsHost(t)
	root := t.TempDir()
	require.NoError(t, exec.Command("cp", Bin("step2-mnt"), root).Run())
	require.NoError(t, os.Mkdir(root+"/proc", 0o755))
	out, status := inUserNamespace(t,
		"mount --rbind /proc "+root+"/proc && chroot "+root+" /step2-mnt -m /step2-mnt "+
			"-h")
	assert.Equal(t, 125, status, out)
	assert.Regexp(t,
		`^step2-mnt: make mounts private below /: invalid argument\n  .*mount --bind DIR DIR\n$`, out)
	out, status = inUserNamespace(t,
		"mount --bind "+root+" "+root+" && mount --rbind /proc "+root+
			"/proc && chroot "+root+" /step2-mnt -m /step2-mnt -h")
	assert.Equal(t, 0, status, out)

	// Nor is there a way to start again without /proc.
	out, status = inUserNamespace(t, "chroot "+root+" /step2-mnt -m /step2-mnt -h")
	assert.Equal(t, 125, status, out)
	assert.Regexp(t,
		`^step2-mnt: re-execute /proc/self/exe: no such file or directory\n.*mount -t proc proc /proc\n$`, out)
}

// A plain user may not make namespaces, and is told what to do; that works.
func TestPlainUser(t *testing.T) {
	NeedsHost(t)
	if isRoot, err := condition("root"); err != nil || !isRoot {
		t.Skip("SKIPPED: needs root, to become another user")
	}
	plain := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	run := func(args ...string) (string, int) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = plain
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		require.NotNil(t, cmd.ProcessState, "%v", err)
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, status := run(Bin("step1-pid"), "-p", "echo", "a b")
	self := Bin("step1-pid") + " -p echo 'a b'"
	assert.Equal(t, 125, status)
	assert.Equal(t, "step1-pid: clone CLONE_NEWPID: operation not permitted\n"+
		"  be root: sudo "+self+"\n  or root in a user namespace: unshare --user "+
		"--map-root-user "+self+"\n", out)
	out, status = run("sh", "-c", "unshare --user --map-root-user "+self)
	assert.Equal(t, 0, status, out)
	assert.Equal(t, "a b\n", out)

	jail := t.TempDir()
	out, status = run(Bin("step6-chroot"), "-c", "/", "true")
	assert.Equal(t, 125, status, out)
	assert.Contains(t, out,
		"step6-chroot: chroot /: operation not permitted\n  be root: sudo ")
	require.NoError(t, os.Chmod(filepath.Dir(jail), 0o700))
	out, status = run(Bin("step6-chroot"), "-c", jail, "true")
	assert.Equal(t, 125, status, out)
	assert.Contains(t, out, "step6-chroot: chroot "+jail+": permission denied\n  you "+
		"may not enter a directory on the way: namei -l "+jail+"\n")

	// Without a namespace no privilege is needed, and the message goes its way.
	out, status = run("sh", "-c", "echo hello | "+Bin("step5-ipc")+" -i no id -u")
	assert.Equal(t, 0, status, out)
	assert.Contains(t, out, "Parent: received message: hello\n65534\n")
	out, _ = run(Bin("step1-pid"), "sh", "-c", `echo "$PS1"`)
	assert.Equal(t, "step1-pid$ \n", out)
}

// Another user's queue of the same name can't be removed, and is named.
func TestForeignQueue(t *testing.T) {
	NeedsHost(t)
	if isRoot, err := condition("root"); err != nil || !isRoot {
		t.Skip("SKIPPED: needs root, to become another user")
	}
	file, err := os.Create(mqueue + "/ipc_namespace")
	require.NoError(t, err)
	file.Close()
	defer os.Remove(mqueue + "/ipc_namespace")
	cmd := exec.Command(Bin("step5-ipc"), "-i", "no", "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: 65534, Gid: 65534,
	}}
	out, _ := cmd.CombinedOutput()
	assert.Equal(t, 125, cmd.ProcessState.ExitCode())
	assert.Regexp(t,
		`^step5-ipc: mq_unlink /ipc_namespace: .*\n  the queue belongs to another user, .*rm /mnt/ipc_namespace`, string(out))
	// The hint's command removes it, from anywhere in the IPC namespace.
	hint := strings.ReplaceAll(string(out[strings.Index(string(out),
		"remove it: ")+11:]), "sudo ", "")
	_, status := inUserNamespace(t, "true")
	require.Equal(t, 0, status)
	fix := exec.Command("unshare", "-m", "sh", "-c", hint)
	text, err := fix.CombinedOutput()
	assert.NoError(t, err, string(text))
	assert.Empty(t, Queues())
}

// The longest argument that execve takes, and one that is too long: execve(2).
func TestLongArguments(t *testing.T) {
	NeedsHost(t)
	const maxArgStrlen = 131072 // with its NUL
	arg := strings.Repeat("x", maxArgStrlen-1)
	out, err := exec.Command(Bin("step1-pid"), "-p", "printf", "%s", arg).Output()
	assert.NoError(t, err)
	assert.Equal(t, arg, string(out))
	assert.ErrorIs(t, exec.Command(Bin("step1-pid"), "-p", "printf", "%s",
		arg+"x").Run(), unix.E2BIG)
	out, err = exec.Command(Bin("step1-pid"), "-vp", "printf", "%s",
		"a\xffb\x1b[31m").CombinedOutput()
	assert.NoError(t, err)
	assert.Contains(t, string(out), `executing printf %s $'a\377b\033[31m'`+"\n")
	assert.Contains(t, string(out), "\na\xffb\x1b[31mParent")
}

// The Go runtime of the child needs threads. Where a limit leaves none, the parent says
// so, in a line and a hint, without a trace.
func TestTooFewThreads(t *testing.T) {
	NeedsHost(t)
	if isRoot, err := condition("root"); err != nil || !isRoot {
		t.Skip("SKIPPED: needs root, to have a limit without other processes in it")
	}
	// As many as the parent has, and none for the child: the number varies.
	var out string
	failed := 0
	for limit := 4; limit < 24; limit++ {
		cmd := exec.Command("prlimit", "--nproc="+strconv.Itoa(limit),
			Bin("step1-pid"), "true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
			Uid: 60123, Gid: 60123,
		}}
		text, _ := cmd.CombinedOutput()
		out = string(text)
		if strings.Contains(out, "a thread of the child") {
			failed++
			assert.Equal(t, 125, cmd.ProcessState.ExitCode())
			assert.Equal(t, "step1-pid: clone a thread of the child: resource "+
				"temporarily unavailable\n"+
				"  there are as many processes and threads as RLIMIT_NPROC or a pids "+
				"cgroup allows: "+
				"sudo prlimit --pid $$ --nproc=unlimited\n", out)
		}
	}
	assert.Positive(t, failed, "no limit between that for one process and that for two")
	assert.Empty(t, out, "there is no limit any more")
}

// Help that can't be written is an error.
func TestFullOutput(t *testing.T) {
	NeedsHost(t)
	for _, program := range append(steps, "binlibdepcp") {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		cmd := exec.Command(Bin(program), "--help")
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		assert.Error(t, cmd.Run())
		full.Close()
		want := 125
		if program == "binlibdepcp" {
			want = 1
		}
		assert.Equal(t, want, cmd.ProcessState.ExitCode())
		assert.Equal(t, program+": write standard output: no space left on device\n",
			stderr.String())
	}
}
