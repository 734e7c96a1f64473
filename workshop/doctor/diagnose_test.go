//go:build linux

package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/internal/steptest"
)

// The results that all table entries start from.
func good(names []string) results {
	found := results{}
	for _, name := range names {
		found[name] = nil
	}
	return found
}

// with returns the results in which probes, all if none is named, have failed.
func with(op, object string, errno syscall.Errno, names ...string) results {
	found := good(probeNames())
	for _, name := range names {
		found[name] = &failure{Op: op, Object: object, Errno: errno}
	}
	return found
}

// eperm are the results of those who may not make namespaces.
func eperm() results { return clones(unix.EPERM) }

func clones(errno syscall.Errno) results {
	found := good(probeNames())
	for _, p := range probes {
		if p.flags != 0 {
			found[p.name] = &failure{Op: "clone", Object: common.FlagNames(p.flags), Errno: errno}
		}
	}
	return found
}

func refusedUser(errno syscall.Errno) results {
	return results{user.name: {Op: "clone", Object: "CLONE_NEWUSER", Errno: errno}}
}

func TestDiagnose(t *testing.T) {
	const six = "step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot"
	const fromMnt = "step2-mnt step3-uts step4-net step5-ipc step6-chroot"
	root := facts{sysAdmin: true, dir: "/b", build: "make -C / build", os: "debian", limits: map[string]string{}}
	set := func(f facts, change func(*facts)) facts {
		change(&f)
		return f
	}
	plain := set(root, func(f *facts) { f.uid, f.sysAdmin = 1000, false })
	docker := set(root, func(f *facts) { f.container, f.seccomp, f.sysAdmin = "docker", true, false })
	podman := set(root, func(f *facts) { f.container = "podman" })
	unshareFails := func(text string) *failure { return &failure{Op: prefix + " true", Text: text} }
	lacks := func(names ...string) results {
		found := results{}
		for _, name := range names {
			found[name] = &failure{Op: "find", Object: name, Errno: unix.ENOENT}
		}
		return found
	}
	for _, test := range []struct {
		name        string
		examination examination
		cannot      string
		id, mend    string
	}{
		{"all well", examination{direct: good(probeNames()), facts: root}, "", "", ""},
		{"plain user", examination{direct: eperm(), user: good(probeNames()), facts: plain}, "", "", ""},
		{"AppArmor at the map", examination{direct: eperm(), user: eperm(),
			prefix: unshareFails("write failed /proc/self/uid_map: Operation not permitted"),
			facts:  set(plain, func(f *facts) { f.apparmor = true })},
			six, "apparmor", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"AppArmor at clone", examination{direct: eperm(), user: refusedUser(unix.EACCES),
			prefix: unshareFails("unshare failed: Permission denied"),
			facts:  set(plain, func(f *facts) { f.apparmor = true })},
			six, "apparmor", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"AppArmor, root of a restricted user namespace", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(root, func(f *facts) { f.apparmor, f.userns = true, true })},
			six, "apparmor", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"Debian's sysctl", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			prefix: unshareFails("unshare failed: Operation not permitted"),
			facts:  set(plain, func(f *facts) { f.noClone = true })},
			six, "userns-clone", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"no user namespaces by limit", examination{direct: eperm(), user: refusedUser(unix.ENOSPC),
			prefix: unshareFails("unshare failed: No space left on device"),
			facts:  set(plain, func(f *facts) { f.limits = map[string]string{"user": "0"} })},
			six, "limit", "sudo sysctl -w user.max_user_namespaces=10000"},
		{"a limit inside", examination{direct: eperm(), user: with("clone", "CLONE_NEWNET", unix.ENOSPC, "net", "lo"),
			facts: set(plain, func(f *facts) { f.limits = map[string]string{"net": "0", "user": "5"} })},
			"step4-net step5-ipc step6-chroot", "limit", "sudo sysctl -w user.max_net_namespaces=10000"},
		{"32 nested", examination{direct: eperm(), user: refusedUser(unix.EUSERS), facts: plain},
			six, "limit", "sudo sysctl -w user.max_user_namespaces=10000"},
		{"no user namespaces in the kernel", examination{direct: eperm(), user: refusedUser(unix.EINVAL),
			prefix: unshareFails("unshare failed: Invalid argument"), facts: plain},
			six, "kernel", "sudo /b/step1-pid -p"},
		{"refused for no known cause", examination{direct: eperm(), user: refusedUser(unix.EPERM), facts: plain},
			six, "privilege", "sudo /b/step1-pid -p"},
		{"plain user in a container", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(plain, func(f *facts) { f.container, f.seccomp, f.apparmor = "docker", true, true })},
			six, "seccomp", "docker run --security-opt seccomp=unconfined"},
		{"container, default", examination{direct: eperm(), user: refusedUser(unix.EPERM), facts: docker},
			six, "capability", "docker run --privileged"},
		{"container, AppArmor on the host", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(docker, func(f *facts) { f.apparmor = true })}, six, "capability", "docker run --privileged"},
		{"container in a namespace-less kernel", examination{direct: clones(unix.EINVAL), facts: root},
			six, "kernel", "ls /proc/self/ns"},
		{"container with CAP_SYS_ADMIN and a filter", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(docker, func(f *facts) { f.sysAdmin = true })},
			six, "seccomp", "docker run --security-opt seccomp=unconfined"},
		{"old seccomp", examination{direct: clones(unix.ENOSYS), facts: podman},
			six, "seccomp", "podman run --security-opt seccomp=unconfined"},
		{"lxc", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(docker, func(f *facts) { f.container = "lxc" })},
			six, "capability", "lxc config set NAME security.nesting=true"},
		{"kubernetes", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(docker, func(f *facts) { f.container = "kubernetes" })},
			six, "capability", "kubectl debug -it POD --image=IMAGE --profile=sysadmin"},
		{"masked proc", examination{direct: with("mount proc on", "/proc", unix.EPERM, "proc", "chroot"), facts: podman},
			fromMnt, "masked-proc", "podman run --security-opt unmask=ALL"},
		{"mount forbidden by AppArmor", examination{direct: with("make mounts private below", "/", unix.EACCES, "mnt", "proc"),
			facts: docker}, fromMnt, "lsm", "docker run --security-opt apparmor=unconfined"},
		{"chroot", examination{direct: with("make mounts private below", "/", unix.EINVAL, "mnt", "proc", "chroot"), facts: root},
			fromMnt, "chroot", "mount --bind DIR DIR"},
		{"chroot, plain user", examination{direct: eperm(), user: refusedUser(unix.EPERM),
			facts: set(plain, func(f *facts) { f.inChroot = true })}, six, "chroot", "exit"},
		{"chroot(2) forbidden", examination{direct: with("chroot", "/", unix.EPERM, "chroot"), facts: docker},
			"step6-chroot", "capability", "docker run --privileged"},
		{"WSL 1", examination{direct: clones(unix.EINVAL), facts: set(root, func(f *facts) { f.wsl = "Ubuntu" })},
			six, "wsl1", "wsl.exe --set-version Ubuntu 2"},
		{"WSL 1, plain user", examination{direct: eperm(), user: refusedUser(unix.EINVAL),
			facts: set(plain, func(f *facts) { f.wsl = "Ubuntu" })}, six, "wsl1", "wsl.exe --set-version Ubuntu 2"},
		{"no /proc", examination{direct: with("re-execute", "/proc/self/exe", unix.ENOENT, probeNames()...),
			commands: results{"ps": {Op: "ps", Text: "mount /proc"}}, facts: root},
			six, "no-proc", "mount -t proc proc /proc"},
		{"too many processes", examination{direct: clones(unix.EAGAIN), facts: plain},
			six, "processes", "sudo prlimit --pid $$ --nproc=unlimited"},
		{"hang", examination{direct: with("probe", "net", unix.ETIMEDOUT, "net"), facts: root},
			"step4-net step5-ipc step6-chroot", "slow", "/b/workshop doctor"},
		{"queue bytes", examination{direct: with("mq_open", "/q", unix.EMFILE, "queue", "ipc"), facts: plain},
			"step5-ipc step6-chroot", "queue-bytes", "sudo prlimit --pid $$ --msgqueue=819200"},
		{"queue bytes, soft limit", examination{direct: with("mq_open", "/q", unix.EMFILE, "queue", "ipc"),
			facts: set(plain, func(f *facts) { f.msgqueueMax = 819200 })},
			"step5-ipc step6-chroot", "queue-bytes", "prlimit --pid $$ --msgqueue=819200"},
		{"queue bytes, in use", examination{direct: with("mq_open", "/q", unix.EMFILE, "queue", "ipc"),
			facts: set(plain, func(f *facts) { f.msgqueue = 819200 })},
			"step5-ipc step6-chroot", "queue-bytes", "sudo prlimit --pid $$ --msgqueue=unlimited"},
		{"queue number", examination{direct: with("mq_open", "/q", unix.ENOSPC, "queue"), facts: root},
			"step5-ipc step6-chroot", "queue-number", "sysctl -w fs.mqueue.queues_max=1024"},
		{"queue size", examination{direct: with("mq_open", "/q", unix.EINVAL, "queue"), facts: root},
			"step5-ipc step6-chroot", "queue-size", "sysctl -w fs.mqueue.msg_max=10 fs.mqueue.msgsize_max=8192"},
		{"no queues", examination{direct: with("mq_open", "/q", unix.ENOSYS, "queue"), facts: root},
			"step5-ipc step6-chroot", "kernel-mqueue", "uname -r"},
		{"another user's queue", examination{direct: with("mq_unlink", "/q", unix.EPERM, "queue"), facts: plain},
			"step5-ipc step6-chroot", "queue-owner",
			"sudo sh -c 'mount -t mqueue none /mnt; rm /mnt/ipc_namespace; umount /mnt'"},
		{"what nobody has thought of", examination{direct: with("sethostname", "box", unix.EIO, "uts"), facts: root},
			"step3-uts step4-net step5-ipc step6-chroot", "unknown", "strace -f /b/workshop doctor"},
		{"no ip, Debian", examination{direct: good(probeNames()), commands: lacks("ip", "ps", "strace"), facts: plain},
			"step1-pid step2-mnt step4-net", "packages", "sudo apt-get install -y procps iproute2"},
		{"no ip, Fedora", examination{direct: good(probeNames()), commands: lacks("ip", "mount", "ipcs", "ipcmk"),
			facts: set(root, func(f *facts) { f.os = "fedora" })},
			"step2-mnt step4-net step5-ipc", "packages", "dnf install -y util-linux iproute"},
		{"no ip, Arch", examination{direct: good(probeNames()), commands: lacks("ip", "hostname"),
			facts: set(root, func(f *facts) { f.os = "arch" })},
			"step3-uts step4-net", "packages", "pacman -S --needed inetutils iproute2"},
		{"no ip, Alpine", examination{direct: good(probeNames()), commands: lacks("ip", "bash"),
			facts: set(root, func(f *facts) { f.os = "alpine" })},
			"step1-pid step4-net", "packages", "apk add iproute2 bash"},
		{"no ip, elsewhere", examination{direct: good(probeNames()), commands: lacks("ip"),
			facts: set(root, func(f *facts) { f.os = "" })}, "step4-net", "packages", "install iproute2"},
		{"NixOS", examination{direct: good(probeNames()), commands: lacks("ip", "ps"),
			facts: set(plain, func(f *facts) { f.elsewhere = map[string]string{"ip": "/run/sw/bin/ip", "ps": "/run/sw/bin/ps"} })},
			"step1-pid step2-mnt step4-net", "elsewhere", "sudo ln -s /run/sw/bin/ps /run/sw/bin/ip /usr/local/bin/"},
		{"no unshare", examination{direct: eperm(), user: good(probeNames()), prefix: lacks("unshare")["unshare"],
			commands: lacks("unshare"), facts: plain}, six, "packages", "sudo apt-get install -y util-linux"},
		{"no programs", examination{direct: good(probeNames()), commands: lacks("step2-mnt", "binlibdepcp"), facts: root},
			"step2-mnt binlibdepcp", "programs", "make -C / build"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := maps.Clone(test.examination.direct)
			r := diagnose(test.examination)
			assert.Equal(t, before, test.examination.direct)
			var cannot []string
			for _, s := range r.Steps {
				assert.Equal(t, s.Can, len(s.Causes) == 0, "%v", s)
				if !s.Can {
					cannot = append(cannot, s.Name)
				}
			}
			assert.Equal(t, test.cannot, strings.Join(cannot, " "))
			assert.Equal(t, test.cannot == "", r.Can)
			if test.id == "" {
				assert.Empty(t, r.Diagnoses)
				return
			}
			require.Len(t, r.Diagnoses, 1, "%v", r.Diagnoses)
			d := r.Diagnoses[0]
			assert.Equal(t, test.id, d.ID)
			assert.Equal(t, test.mend, d.Mend)
			assert.NotEmpty(t, d.Cause)
			assert.NotEmpty(t, d.Error)
			assert.Equal(t, test.cannot, strings.Join(d.Steps, " "))
		})
	}
}

// Two causes at once stay apart, and each has its steps.
func TestDiagnoseTwo(t *testing.T) {
	direct := with("mount proc on", "/proc", unix.EPERM, "proc", "chroot")
	direct["queue"] = &failure{Op: "mq_open", Object: "/q", Errno: unix.EMFILE}
	direct["lo"] = &failure{Op: "set up", Object: "lo", Errno: unix.EPERM}
	r := diagnose(examination{direct: direct, commands: results{"strace": {Op: "find", Object: "strace", Errno: unix.ENOENT}},
		facts: facts{sysAdmin: true, os: "debian", outsidePATH: map[string]string{"ip": "/usr/sbin/ip"}}})
	assert.Equal(t, []string{"masked-proc", "queue-bytes"}, []string{r.Diagnoses[0].ID, r.Diagnoses[1].ID})
	assert.Equal(t, []string{"masked-proc", "queue-bytes"}, r.Steps[4].Causes)
	assert.Equal(t, []string{"masked-proc"}, r.Steps[1].Causes)
	assert.True(t, r.Steps[0].Can)
	var notes []string
	for _, d := range r.Notes {
		notes = append(notes, d.ID+": "+d.Mend)
	}
	assert.Equal(t, []string{"capability: docker run --privileged", "packages: apt-get install -y strace",
		"path: PATH=$PATH:/usr/sbin"}, notes)
}

func TestPrefix(t *testing.T) {
	plain := facts{uid: 1000}
	assert.Equal(t, prefix, diagnose(examination{direct: eperm(), user: good(probeNames()), facts: plain}).Prefix)
	assert.Equal(t, "", diagnose(examination{direct: eperm(), user: eperm(), facts: plain}).Prefix)
	assert.Equal(t, "", diagnose(examination{direct: good(probeNames()), facts: plain}).Prefix)
	// Root without capabilities that may make a user namespace.
	assert.Equal(t, prefix, diagnose(examination{direct: eperm(), user: good(probeNames())}).Prefix)
}

// The shape of --json.
func TestJSON(t *testing.T) {
	out, err := json.Marshal(diagnose(examination{direct: eperm(), user: refusedUser(unix.EPERM)}))
	require.NoError(t, err)
	assert.NotContains(t, string(out), "null")
	var shape map[string]any
	require.NoError(t, json.Unmarshal(out, &shape))
	for key, keys := range map[string][]string{"steps": {"name", "can", "causes"},
		"diagnoses": {"id", "error", "cause", "mend", "steps"}, "probes": {"name", "ok", "error"}} {
		first := shape[key].([]any)[0].(map[string]any)
		assert.Len(t, first, len(keys))
		for _, k := range keys {
			assert.Contains(t, first, k)
		}
	}
	assert.Len(t, shape, 6)
}

func TestWrite(t *testing.T) {
	r := diagnose(examination{direct: with("mount proc on", "/proc", unix.EPERM, "proc", "chroot"),
		commands: results{"ip": {Op: "find", Object: "ip", Errno: unix.ENOENT}},
		facts:    facts{sysAdmin: true, os: "debian"}})
	var b bytes.Buffer
	write(&b, r, 80)
	assert.Equal(t, `step1-pid    can
step2-mnt    can't
step3-uts    can't
step4-net    can't
step5-ipc    can't
step6-chroot can't
binlibdepcp  can

step2-mnt, step3-uts, step4-net, step5-ipc, step6-chroot:
  mount proc on /proc: operation not permitted
  an outer container masks parts of its /proc, which a new one would show
  mend: docker run --security-opt systempaths=unconfined

step4-net:
  find ip: no such file or directory
  missing here, or too simple: ip
  mend: apt-get install -y iproute2
`, b.String())
	b.Reset()
	write(&b, r, 20)
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		assert.True(t, utf8.RuneCountInString(line) <= 20 || strings.HasPrefix(line, "  mend: "), "%q", line)
		assert.Equal(t, strings.TrimRight(line, " "), line)
	}
}

func TestFacts(t *testing.T) {
	files := func(names ...string) func(string) bool {
		return func(file string) bool { return strings.Contains(strings.Join(names, " ")+" ", file+" ") }
	}
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for _, pair := range pairs {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		}
	}
	assert.Equal(t, "", container(files(), env()))
	assert.Equal(t, "docker", container(files("/.dockerenv"), env()))
	assert.Equal(t, "podman", container(files("/run/.containerenv"), env("container=oci")))
	assert.Equal(t, "lxc", container(files(), env("container=lxc")))
	assert.Equal(t, "kubernetes", container(files("/.dockerenv"), env("KUBERNETES_SERVICE_HOST=10.0.0.1")))

	for version, want := range map[string]string{
		"Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0) #1237": "Ubuntu",
		"Linux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host) (gcc) #1 SMP":          "",
		"Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)":                           "",
		"": "",
	} {
		assert.Equal(t, want, wsl1(version, "Ubuntu"), version)
	}
	assert.Equal(t, "WSL", wsl1("Linux version 4.4.0-19041-Microsoft (x)", ""))

	for release, want := range map[string]string{
		"NAME=x\nID=debian\n": "debian",
		"PRETTY_NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n": "debian",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n":           "debian",
		"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n":      "fedora",
		"ID=fedora\n":                    "fedora",
		"ID=manjaro\nID_LIKE=arch\n":     "arch",
		"VERSION_ID=3.20\nID=alpine":     "alpine",
		"ID=nixos\n":                     "",
		"":                               "",
		"VERSION_ID=debian\nID='gentoo'": "",
	} {
		assert.Equal(t, want, osFamily([]byte(release)), release)
	}

	inChroot, masked := mounts([]byte(`22 27 0:21 / /proc rw - proc proc rw
27 1 8:1 / / rw - ext4 /dev/sda rw
40 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd rw
41 22 0:21 /sys /proc/sys ro - proc proc rw
42 22 0:31 / /proc/kcore rw - tmpfs tmpfs rw
`))
	assert.False(t, inChroot)
	assert.Equal(t, []string{"/proc/sys", "/proc/kcore"}, masked)
	inChroot, masked = mounts([]byte("22 27 0:21 / /proc rw - proc proc rw\nshort\n"))
	assert.True(t, inChroot)
	assert.Empty(t, masked)

	assert.True(t, hasBit("000001ffffffffff", 21))
	assert.False(t, hasBit("00000000a80425fb", 21))
	assert.True(t, hasBit("00000000a80425fb", 0))
	assert.False(t, hasBit("", 21))
	assert.Equal(t, "make build BIN=/usr/local/bin", buildCommand("/usr/local/bin"))
}

// The commands are looked for where a step does.
func TestSearchPath(t *testing.T) {
	steptest.NeedsHost(t)
	e := newEnvironment(t, `exec "$@"`)
	out, status := e.run("step1-pid", "sh", "-c", "echo $PATH")
	assert.Zero(t, status)
	assert.Equal(t, searchPath+"\n", string(out))
}

func TestFailure(t *testing.T) {
	assert.Nil(t, failed(nil))
	assert.Equal(t, "mount x: permission denied", (&failure{Op: "mount", Object: "x", Errno: unix.EACCES}).Error())
	own := &failure{Op: "x", Text: "a\x1b"}
	assert.Same(t, own, failed(fmt.Errorf("wrapped: %w", own)))
	assert.Equal(t, `x: a\x1b`, own.Error())
	assert.Equal(t, "try: no", failed(fmt.Errorf("no")).Error())
	assert.Equal(t, "try: no such process", failed(unix.ESRCH).Error())
}
