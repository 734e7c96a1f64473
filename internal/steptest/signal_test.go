//go:build linux

package steptest

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A process is a step that has been started without a terminal.
type process struct {
	*exec.Cmd
	stdin  io.WriteCloser
	output *output
}

func start(t *testing.T, step string, args ...string) *process {
	t.Helper()
	return startProgram(t, Bin(step), args...)
}

func startProgram(t *testing.T, program string, args ...string) *process {
	t.Helper()
	r := &process{Cmd: exec.Command(program, args...), output: &output{}}
	r.Stdout, r.Stderr = r.output, r.output
	r.WaitDelay = 5 * time.Second
	stdin, err := r.StdinPipe()
	require.NoError(t, err)
	r.stdin = stdin
	require.NoError(t, r.Start())
	return r
}

// expect waits until the output has the text.
func (r *process) expect(t *testing.T, text string) {
	t.Helper()
	WaitFor(t, text+" in the output",
		func() bool { return strings.Contains(r.output.String(), text) })
}

// status waits for the end and returns the exit status as a shell has it.
func (r *process) status() int {
	_ = r.Wait()
	ws := r.ProcessState.Sys().(interface {
		Signaled() bool
		Signal() unix.Signal
		ExitStatus() int
	})
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

const prompt = "Child: a message for the parent"

// A signal to the parent ends all, with its status, and leaves nothing; NeedsHost looks.
func TestSignalToParent(t *testing.T) {
	for _, sig := range []unix.Signal{
		unix.SIGTERM, unix.SIGHUP, unix.SIGINT,
		unix.SIGQUIT, unix.SIGKILL,
	} {
		for stage, args := range map[string][]string{
			"prompt":          {"-i", "no"},
			"prompt of PID 1": {"-pmni", "no"},
		} {
			t.Run(fmt.Sprint(sig, " at the ", stage), func(t *testing.T) {
				NeedsHost(t)
				r := start(t, "step5-ipc", append(args, "sh", "-c", "echo ran")...)
				r.expect(t, prompt)
				assert.Equal(t, []string{"ipc_namespace"}, Queues())
				require.NoError(t, r.Process.Signal(sig))
				assert.Equal(t, 128+int(sig), r.status())
				assert.NotContains(t, r.output.String(), "ran")
				assert.NotContains(t, r.output.String(), "goroutine")
				if sig != unix.SIGKILL {
					assert.Contains(t, r.output.String(), "step5-ipc: stopped by signal")
				}
			})
		}
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGKILL} {
		for _, step := range steps {
			t.Run(fmt.Sprint(sig, " to the command of ", step), func(t *testing.T) {
				NeedsHost(t)
				r := start(t, step, "sh", "-c", "echo ready; exec sleep 86400")
				r.expect(t, "ready")
				require.NoError(t, r.Process.Signal(sig))
				assert.Equal(t, 128+int(sig), r.status())
			})
		}
	}
	for sig, status := range map[unix.Signal]int{unix.SIGTERM: 15, unix.SIGHUP: 1} {
		t.Run(fmt.Sprint(sig, " to PID 1 with a handler"), func(t *testing.T) {
			NeedsHost(t)
			r := start(t, "step1-pid", "-p", "sh", "-c",
				fmt.Sprintf(`trap "exit %d" %d; echo ready; while :; do sleep 0.05; done`,
					status, status))
			r.expect(t, "ready")
			require.NoError(t, r.Process.Signal(sig))
			assert.Equal(t, status, r.status())
		})
		t.Run(fmt.Sprint(sig, " to PID 1 without a handler"), func(t *testing.T) {
			NeedsHost(t)
			r := start(t, "step1-pid", "-p", "sh", "-c", `echo ready; sleep 86400 & wait`)
			r.expect(t, "ready")
			begin := time.Now()
			require.NoError(t, r.Process.Signal(sig))
			assert.Equal(t, 137, r.status())
			assert.Greater(t, time.Since(begin), 1900*time.Millisecond,
				"SIGKILL comes after a grace")
		})
	}
}

// SIGKILL to the parent takes PID 1 with it, and so the whole namespace.
func TestKilledParent(t *testing.T) {
	NeedsHost(t)
	r := start(t, "step6-chroot", "-pmnu", "box", "sh", "-c",
		`sleep 86400 & echo ready; wait`)
	r.expect(t, "ready")
	require.NoError(t, r.Process.Kill())
	assert.Equal(t, 137, r.status())
}

// Whenever the parent is killed, nothing goes on living; a queue that SIGKILL has left
// in the moment before the child could open it doesn't spoil the next run, and goes.
func TestKilledAtAnyTime(t *testing.T) {
	NeedsHost(t)
	seed := rand.New(rand.NewSource(1))
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGKILL} {
		for range Soak(20) {
			r := start(t, "step5-ipc", "-pmnu", "box", "-i", "no", "sleep", "86400")
			_, _ = io.WriteString(r.stdin, "hello\n")
			time.Sleep(time.Duration(seed.Intn(12000)) * time.Microsecond)
			require.NoError(t, r.Process.Signal(sig))
			if sig == unix.SIGINT { // which the command ignores, as PID 1
				time.Sleep(10 * time.Millisecond)
				_ = r.Process.Signal(sig)
				time.Sleep(10 * time.Millisecond)
				_ = r.Process.Signal(unix.SIGKILL)
			}
			r.status()
			if sig == unix.SIGTERM {
				assert.Empty(t, Queues())
			}
		}
	}
	for _, value := range []string{"no", "yes"} {
		r := start(t, "step5-ipc", "-i", value, "true")
		_, _ = io.WriteString(r.stdin, "after\n")
		assert.Equal(t, 0, r.status())
		assert.Equal(t, value == "no", strings.Contains(r.output.String(),
			"received message: after"))
	}
}

// SIGQUIT to the child before it is the command: the trace of its Go runtime isn't shown.
func TestQuitEarly(t *testing.T) {
	NeedsHost(t)
	for i := range Soak(40) {
		r := start(t, "step2-mnt", "-m", "sleep", "86400")
		children := fmt.Sprintf("/proc/%d/task/%[1]d/children", r.Process.Pid)
		var pid int
		WaitFor(t, "the child", func() bool {
			text, _ := os.ReadFile(children)
			_, _ = fmt.Sscan(string(text), &pid)
			return pid != 0
		})
		time.Sleep(time.Duration(i%10) * 300 * time.Microsecond) // its runtime starts
		require.NoError(t, unix.Kill(pid, unix.SIGQUIT))
		assert.Equal(t, 128+int(unix.SIGQUIT), r.status())
		assert.NotContains(t, r.output.String(), "goroutine")
	}
}

// A queue that is in the way, of other dimensions and with a message in it.
func TestStaleQueue(t *testing.T) {
	NeedsHost(t)
	file, err := os.Create(mqueue + "/ipc_namespace")
	require.NoError(t, err)
	defer file.Close()
	r := start(t, "step5-ipc", "-i", "no", "true")
	_, _ = io.WriteString(r.stdin, "mine\n")
	assert.Equal(t, 0, r.status())
	assert.Contains(t, r.output.String(), "received message: mine\n")
}

// Two runs at once keep their messages apart, in whatever order they end.
func TestTwoQueues(t *testing.T) {
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		NeedsHost(t)
		var runs [2]*process
		for i := range runs {
			runs[i] = start(t, "step5-ipc", "-i", "no", "true")
			runs[i].expect(t, prompt)
		}
		for _, i := range order {
			_, _ = fmt.Fprintf(runs[i].stdin, "from %d\n", i)
			assert.Equal(t, 0, runs[i].status())
			assert.Contains(t, runs[i].output.String(),
				fmt.Sprintf("received message: from %d\n", i))
		}
	}
}

// 200 runs at once, all namespaces each.
func TestMany(t *testing.T) {
	NeedsHost(t)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			cmd := exec.Command(Bin("step6-chroot"), "-pmnu", "box", "-i",
				[]string{"no", "yes"}[i%2], "true")
			cmd.Stdin = strings.NewReader(fmt.Sprintf("from %d\n", i))
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, string(out))
			if i%2 == 0 {
				assert.Contains(t, string(out),
					fmt.Sprintf("received message: from %d\n", i))
			}
		})
	}
	wg.Wait()
}

// nohup(1) works, and so does a background job of a script: what the caller ignores stays
// ignored, by the step and by its command.
func TestIgnored(t *testing.T) {
	for trap, sigs := range map[string][]unix.Signal{
		"HUP": {unix.SIGHUP}, "INT QUIT": {unix.SIGINT, unix.SIGQUIT},
	} {
		for _, options := range []string{"", "-p"} {
			t.Run(trap+options, func(t *testing.T) {
				NeedsHost(t)
				r := startProgram(t, "sh", "-c",
					`trap "" `+trap+`; exec step1-pid `+options+
						` sh -c "grep SigIgn /proc/self/status; echo ready; read x; exit 4"`)
				r.expect(t, "ready")
				var want uint64
				for _, sig := range sigs {
					want |= 1 << (sig - 1)
					require.NoError(t, r.Process.Signal(sig))
				}
				assert.Contains(t, r.output.String(),
					fmt.Sprintf("SigIgn:\t%016x\n", want))
				_, _ = io.WriteString(r.stdin, "x\n")
				assert.Equal(t, 4, r.status())
				assert.NotContains(t, r.output.String(), "handler")
			})
		}
	}
	t.Run("at the prompt", func(t *testing.T) {
		NeedsHost(t)
		r := startProgram(t, "sh", "-c",
			`trap "" HUP INT QUIT; exec step5-ipc -i no grep SigIgn /proc/self/status`)
		r.expect(t, prompt)
		for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT} {
			require.NoError(t, r.Process.Signal(sig))
		}
		_, _ = io.WriteString(r.stdin, "x\n")
		assert.Equal(t, 0, r.status())
		assert.Contains(t, r.output.String(),
			"received message: x\nSigIgn:\t0000000000000007\n")
	})
}

// A run that waits for another's queue says so, and can be ended.
func TestSignalWhileLocked(t *testing.T) {
	NeedsHost(t)
	lock, err := os.Open("/proc/self/ns/ipc")
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
		r := start(t, "step5-ipc", "-vi", "no", "true")
		r.expect(t, "Parent: PID")
		r.expect(t, "step5-ipc: another process holds the lock /proc/self/ns/ipc: "+
			"waiting up to 60 s; "+
			"to see the process: lslocks\n")
		require.NoError(t, r.Process.Signal(sig))
		assert.Equal(t, 128+int(sig), r.status())
		assert.NotContains(t, r.output.String(), "created")
	}
}

// A command that has become another user's gets no signal. The step ends all the same.
func TestCommandOfOtherUser(t *testing.T) {
	NeedsHost(t)
	if isRoot, err := condition("root"); err != nil || !isRoot {
		t.Skip("SKIPPED: needs root, for a set-user-ID program")
	}
	sudo := filepath.Join(t.TempDir(), "sudo")
	out, err := exec.Command("sh", "-c", "cp $(command -v setpriv) "+sudo+
		" && chmod 4755 "+sudo).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(sudo)), 0o755))
	r := &process{output: &output{}, Cmd: exec.Command(Bin("step1-pid"), sudo,
		"--reuid=0", "sleep", "86314")}
	r.Stdout, r.Stderr, r.WaitDelay = r.output, r.output, time.Second // sleep has them
	r.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: 65534, Gid: 65534,
	}}
	require.NoError(t, r.Start())
	sleep := WaitForProcess(t, "sleep 86314", "S")
	defer func() {
		_ = unix.Kill(sleep.PID, unix.SIGKILL)
		WaitFor(t, "sleep has ended", func() bool { return Processes("sleep 86314") == nil })
	}()
	require.NoError(t, r.Process.Signal(unix.SIGTERM))
	assert.Equal(t, 143, r.status())
	assert.Equal(t, fmt.Sprintf("step1-pid: kill child %d: operation not permitted\n",
		sleep.PID), r.output.String())
}

// Another process holds the lock while a run removes its queue: the run still ends.
func TestRemoveWhileLocked(t *testing.T) {
	for _, sig := range []unix.Signal{0, unix.SIGTERM} {
		t.Run(fmt.Sprint(int(sig)), func(t *testing.T) {
			NeedsHost(t)
			r := start(t, "step5-ipc", "-i", "no", "true")
			r.expect(t, prompt)
			lock, err := os.Open("/proc/self/ns/ipc")
			require.NoError(t, err)
			defer lock.Close()
			WaitFor(t, "the lock is free", func() bool {
				return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
			})
			began := time.Now()
			if sig == 0 {
				_, err = io.WriteString(r.stdin, "hello\n")
			} else {
				err = r.Process.Signal(sig)
			}
			require.NoError(t, err)
			want := 0
			if sig != 0 {
				want = 128 + int(sig)
			}
			assert.Equal(t, want, r.status())
			assert.Less(t, time.Since(began), 30*time.Second)
			assert.Empty(t, Queues())
			assert.NotContains(t, r.output.String(), "holds the lock")
		})
	}
}

// SIGKILL of the parent alone, before the child has opened the queue: the child removes
// it, from its own IPC namespace too.
func TestAbandonedQueue(t *testing.T) {
	for _, value := range []string{"no", "yes"} {
		t.Run(value, func(t *testing.T) {
			NeedsHost(t)
			// Room for the first two lines of -v: the parent hangs at the third one, and
			// has cloned the child by then.
			var pipe [2]int
			require.NoError(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
			defer unix.Close(pipe[0])
			size, err := unix.FcntlInt(uintptr(pipe[1]), unix.F_SETPIPE_SZ, 4096)
			require.NoError(t, err)
			_, err = unix.Write(pipe[1], make([]byte, size-80))
			require.NoError(t, err)
			cmd := exec.Command(Bin("step5-ipc"), "-vi", value, "true")
			cmd.Stderr = os.NewFile(uintptr(pipe[1]), "pipe")
			require.NoError(t, cmd.Start())
			cmd.Stderr.(*os.File).Close()
			WaitFor(t, "the child is there", func() bool {
				return len(Processes(Bin("step5-ipc")+" -vi "+value+" true")) == 2
			})
			assert.Equal(t, []string{"ipc_namespace"}, Queues())
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			WaitFor(t, "the queue is gone", func() bool { return len(Queues()) == 0 })
		})
	}
}
