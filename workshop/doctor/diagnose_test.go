//go:build linux

package doctor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/internal/cause"
	"nsteps/internal/linux"
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
			found[p.name] = &failure{Op: "clone", Object: cmp.Or(linux.FlagNames(p.flags),
				"child"), Errno: errno}
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
	set := func(h host, change func(*host)) host {
		facts := *h.Facts
		h.Facts = &facts
		change(&h)
		return h
	}
	root := host{Facts: &cause.Facts{
		Args: []string{"/b/step1-pid", "-p"}, SysAdmin: true,
		Limits: map[string]string{},
	}, dir: "/b", build: "make -C / build", os: "debian"}
	plain := set(root, func(f *host) { f.UID, f.SysAdmin = 1000, false })
	docker := set(root, func(f *host) {
		f.Container, f.Seccomp,
			f.SysAdmin = "docker", true, false
	})
	podman := set(root, func(f *host) { f.Container = "podman" })
	unshareFails := func(text string) *failure {
		return &failure{Op: prefix +
			" true", Text: text}
	}
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
		id, fix     string
	}{
		{"all well", examination{direct: good(probeNames()), host: root}, "", "", ""},
		{"plain user", examination{
			direct: eperm(), user: good(probeNames()),
			host: plain,
		}, "", "", ""},
		{
			"AppArmor at the map",
			examination{
				direct: eperm(), user: eperm(),
				prefix: unshareFails(
					"write failed /proc/self/uid_map: Operation not permitted"),
				host: set(plain, func(f *host) { f.AppArmor = true }),
			},
			six, "apparmor",
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
		},
		{
			"AppArmor at clone",
			examination{
				direct: eperm(), user: refusedUser(unix.EACCES),
				prefix: unshareFails("unshare failed: Permission denied"),
				host:   set(plain, func(f *host) { f.AppArmor = true }),
			},
			six, "apparmor",
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
		},
		{
			"AppArmor, root of a restricted user namespace",
			examination{
				direct: eperm(), user: refusedUser(unix.EPERM),
				host: set(root, func(f *host) { f.AppArmor, f.UserNS = true, true }),
			},
			six, "apparmor",
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
		},
		{
			"Debian's sysctl",
			examination{
				direct: eperm(), user: refusedUser(unix.EPERM),
				prefix: unshareFails("unshare failed: Operation not permitted"),
				host:   set(plain, func(f *host) { f.NoClone = true }),
			},
			six, "userns-clone", "sudo sysctl -w kernel.unprivileged_userns_clone=1",
		},
		{
			"no user namespaces by limit",
			examination{
				direct: eperm(),
				user:   refusedUser(unix.ENOSPC),
				prefix: unshareFails("unshare failed: No space left on device"),
				host: set(plain,
					func(f *host) { f.Limits = map[string]string{"user": "0"} }),
			},
			six, "limit", "sudo sysctl -w user.max_user_namespaces=10000",
		},
		{
			"a limit inside",
			examination{
				direct: eperm(),
				user:   with("clone", "CLONE_NEWNET", unix.ENOSPC, "net", "lo"),
				host: set(plain, func(f *host) {
					f.Limits = map[string]string{
						"net":  "0",
						"user": "5",
					}
				}),
			},
			"step4-net step5-ipc step6-chroot", "limit",
			"sudo sysctl -w user.max_net_namespaces=10000",
		},
		{
			"32 nested",
			examination{
				direct: eperm(),
				user:   refusedUser(unix.EUSERS), host: plain,
			},
			six, "limit", "sudo sysctl -w user.max_user_namespaces=10000",
		},
		{
			"no user namespaces in the kernel",
			examination{
				direct: eperm(),
				user:   refusedUser(unix.EINVAL),
				prefix: unshareFails("unshare failed: Invalid argument"), host: plain,
			},
			six, "kernel-user", "sudo /b/step1-pid -p",
		},
		{
			"refused for no known cause",
			examination{
				direct: eperm(),
				user:   refusedUser(unix.EPERM), host: plain,
			},
			six, "privilege", "sudo /b/step1-pid -p",
		},
		{
			"plain user in a container",
			examination{
				direct: eperm(),
				user:   refusedUser(unix.EPERM),
				host: set(plain, func(f *host) {
					f.Container, f.Seccomp,
						f.AppArmor = "docker", true, true
				}),
			},
			six, "seccomp", "docker run --security-opt seccomp=unconfined",
		},
		{
			"container, default",
			examination{
				direct: eperm(),
				user:   refusedUser(unix.EPERM), host: docker,
			},
			six, "capability", "docker run --privileged",
		},
		{"container, AppArmor on the host", examination{
			direct: eperm(),
			user:   refusedUser(unix.EPERM),
			host: set(docker,
				func(f *host) { f.AppArmor = true }),
		}, six, "capability", "docker run --privileged"},
		{
			"container in a namespace-less kernel",
			examination{direct: clones(unix.EINVAL), host: root},
			six, "kernel", "ls /proc/self/ns",
		},
		{
			"container with CAP_SYS_ADMIN and a filter",
			examination{
				direct: eperm(), user: refusedUser(unix.EPERM),
				host: set(docker, func(f *host) { f.SysAdmin = true }),
			},
			six, "seccomp", "docker run --security-opt seccomp=unconfined",
		},
		{
			"old seccomp",
			examination{direct: clones(unix.ENOSYS), host: podman},
			six, "seccomp", "podman run --security-opt seccomp=unconfined",
		},
		{
			"lxc",
			examination{
				direct: eperm(), user: refusedUser(unix.EPERM),
				host: set(docker, func(f *host) { f.Container = "lxc" }),
			},
			six, "capability", "lxc config set NAME security.nesting=true",
		},
		{
			"kubernetes",
			examination{
				direct: eperm(), user: refusedUser(unix.EPERM),
				host: set(docker, func(f *host) { f.Container = "kubernetes" }),
			},
			six, "capability", "kubectl debug -it POD --image=IMAGE --profile=sysadmin",
		},
		{
			"masked proc",
			examination{direct: with("mount proc on", "/proc", unix.EPERM,
				"proc", "jail"), host: podman},
			fromMnt, "masked-proc", "podman run --security-opt unmask=ALL",
		},
		{"mount forbidden by AppArmor", examination{
			direct: with("make mounts private "+
				"below", "/", unix.EACCES, "mnt", "proc"),
			host: docker,
		}, fromMnt, "lsm", "docker run --security-opt " +
			"apparmor=unconfined"},
		{
			"chroot",
			examination{direct: with("make mounts private below", "/", unix.EINVAL,
				"mnt", "proc", "jail"), host: root},
			fromMnt, "chroot", "mount --bind DIR DIR",
		},
		{"chroot, plain user", examination{
			direct: eperm(), user: refusedUser(unix.EPERM),
			host: set(plain,
				func(f *host) { f.InChroot = true }),
		}, six, "chroot-user", "exit"},
		{
			"chroot(2) forbidden",
			examination{direct: with("chroot", "/", unix.EPERM,
				"jail"), host: docker},
			"step6-chroot", "capability", "docker run --privileged",
		},
		{
			"WSL 1",
			examination{
				direct: clones(unix.EINVAL),
				host:   set(root, func(f *host) { f.WSL = "Ubuntu" }),
			},
			six, "wsl1", "wsl.exe --set-version Ubuntu 2",
		},
		{"WSL 1, plain user", examination{
			direct: eperm(), user: refusedUser(unix.EINVAL),
			host: set(plain,
				func(f *host) { f.WSL = "Ubuntu" }),
		}, six, "wsl1", "wsl.exe --set-version Ubuntu 2"},
		{
			"no /proc",
			examination{
				direct: with("re-execute", "/proc/self/exe", unix.ENOENT,
					probeNames()...),
				commands: results{"ps": {Op: "ps", Text: "mount /proc"}}, host: root,
			},
			six, "no-proc", "mount -t proc proc /proc",
		},
		{
			"too many processes",
			examination{direct: clones(unix.EAGAIN), host: plain},
			six, "processes", "sudo prlimit --pid $$ --nproc=unlimited",
		},
		{
			"hang",
			examination{direct: with("probe", "net", unix.ETIMEDOUT,
				"net"), host: root},
			"step4-net step5-ipc step6-chroot", "slow", "time /b/step4-net -n true",
		},
		{
			"hang, plain user",
			examination{
				direct: eperm(),
				user:   with("probe", "net", unix.ETIMEDOUT, "net"), host: plain,
			},
			"step4-net step5-ipc step6-chroot", "slow",
			"time unshare --user --map-root-user /b/step4-net -n true",
		},
		{
			"a command that hangs",
			examination{
				direct: good(probeNames()),
				commands: results{"ip": {
					Op: "run", Object: "ip",
					Errno: unix.ETIMEDOUT,
				}}, host: root,
			},
			"step4-net", "slow", "time ip -brief link",
		},
		{
			"few descriptors",
			examination{
				direct: good(probeNames()),
				commands: results{
					"ps": {Op: "run", Object: "/bin/ps", Errno: unix.EMFILE},
					"step1-pid": {
						Op: "memfd_create", Object: "for a child",
						Errno: unix.EMFILE,
					},
				}, host: root,
			},
			"step1-pid step2-mnt", "files", "prlimit --pid $$ --nofile=1024",
		},
		{"few processes for a command", examination{
			direct:   good(probeNames()),
			commands: results{"ip": {Op: "run", Object: "/bin/ip", Errno: unix.EAGAIN}},
			host: set(root,
				func(f *host) { f.PIDs = "/p" }),
		}, "step4-net", "pids", "echo max | tee /p"},
		{
			"SELinux",
			examination{direct: clones(unix.EACCES), host: podman},
			six, "lsm", "podman run --security-opt label=disable",
		},
		{
			"a systemd unit",
			examination{
				direct: eperm(), user: refusedUser(unix.EPERM),
				host: set(docker, func(f *host) {
					f.Container, f.Unit, f.SysAdmin = "service",
						"box.service", true
				}),
			},
			six, "seccomp", "systemctl edit box.service",
		},
		{
			"qemu-user",
			examination{
				direct: clones(unix.EINVAL),
				host:   set(root, func(f *host) { f.Emulator = "qemu-arm" }),
			},
			six, "emulator", "make clean build",
		},
		{
			"queue bytes",
			examination{direct: with("mq_open", "/q", unix.EMFILE, "queue",
				"ipc"), host: plain},
			"step5-ipc step6-chroot", "queue-bytes",
			"sudo prlimit --pid $$ --msgqueue=819200",
		},
		{
			"queue bytes, soft limit",
			examination{
				direct: with("mq_open", "/q", unix.EMFILE, "queue", "ipc"),
				host:   set(plain, func(f *host) { f.QueuesMaximum = 819200 }),
			},
			"step5-ipc step6-chroot", "queue-bytes",
			"prlimit --pid $$ --msgqueue=819200",
		},
		{
			"queue bytes, in use",
			examination{
				direct: with("mq_open", "/q", unix.EMFILE,
					"queue", "ipc"),
				host: set(plain, func(f *host) { f.Queues = 819200 }),
			},
			"step5-ipc step6-chroot", "queue-bytes",
			"sudo prlimit --pid $$ --msgqueue=unlimited",
		},
		{
			"queue number",
			examination{direct: with("mq_open", "/q", unix.ENOSPC,
				"queue"), host: root},
			"step5-ipc step6-chroot", "queue-number",
			"sysctl -w fs.mqueue.queues_max=1024",
		},
		{
			"queue size",
			examination{direct: with("mq_open", "/q", unix.EINVAL,
				"queue"), host: root},
			"step5-ipc step6-chroot", "queue-size",
			"sysctl -w fs.mqueue.msg_max=10 fs.mqueue.msgsize_max=8192",
		},
		{
			"no queues",
			examination{direct: with("mq_open", "/q", unix.ENOSYS,
				"queue"), host: root},
			"step5-ipc step6-chroot", "kernel-mqueue", "uname -r",
		},
		{
			"another user's queue",
			examination{direct: with("mq_unlink", "/q", unix.EPERM,
				"queue"), host: plain},
			"step5-ipc step6-chroot", "queue-owner",
			"sudo sh -c 'mount -t mqueue none /mnt; rm /mnt/q; umount /mnt'",
		},
		{
			"no cable",
			examination{
				direct: with("set up", "nsteps-none", unix.EPERM, "cable"), host: plain,
			},
			"step11-veth", "cable", "/b/step7-user -n -U root sh",
		},
		{
			"no overlay",
			examination{
				direct: with("mount overlay of", "/img", unix.ENODEV, "overlay"),
				host:   plain,
			},
			"step10-overlay container", "no-overlay", "sudo modprobe overlay",
		},
		{
			"no overlay without root",
			examination{
				direct: with("mount overlay of", "/img", unix.EPERM, "overlay"),
				host:   plain,
			},
			"step10-overlay container", "old-overlay", "uname -r",
		},
		{
			"what nobody has thought of",
			examination{direct: with("sethostname", "box", unix.EIO, "uts"), host: root},
			"step3-uts step4-net step5-ipc step6-chroot", "unknown",
			"strace -f /b/workshop doctor",
		},
		{
			"no ip, Debian",
			examination{
				direct:   good(probeNames()),
				commands: lacks("ip", "ps", "strace"), host: plain,
			},
			"step1-pid step2-mnt step4-net", "packages",
			"sudo apt-get install -y procps iproute2",
		},
		{
			"no ip, Fedora",
			examination{
				direct:   good(probeNames()),
				commands: lacks("ip", "mount", "ipcs", "ipcmk"),
				host:     set(root, func(f *host) { f.os = "fedora" }),
			},
			"step2-mnt step4-net step5-ipc", "packages",
			"dnf install -y util-linux iproute",
		},
		{
			"no ip, Arch",
			examination{
				direct:   good(probeNames()),
				commands: lacks("ip", "hostname"),
				host:     set(root, func(f *host) { f.os = "arch" }),
			},
			"step3-uts step4-net", "packages", "pacman -S --needed inetutils iproute2",
		},
		{
			"no ip, Alpine",
			examination{
				direct:   good(probeNames()),
				commands: lacks("ip", "bash"),
				host:     set(root, func(f *host) { f.os = "alpine" }),
			},
			"step1-pid step4-net", "packages", "apk add iproute2 bash",
		},
		{"no ip, elsewhere", examination{
			direct:   good(probeNames()),
			commands: lacks("ip"),
			host: set(root,
				func(f *host) { f.os = "" }),
		}, "step4-net", "packages", "install iproute2"},
		{
			"NixOS",
			examination{
				direct: good(probeNames()), commands: lacks("ip", "ps"),
				host: set(plain,
					func(f *host) {
						f.elsewhere = map[string]string{
							"ip": "/run/sw/bin/ip",
							"ps": "/run/sw/bin/ps",
						}
					}),
			},
			"step1-pid step2-mnt step4-net", "elsewhere",
			"sudo ln -s /run/sw/bin/ps /run/sw/bin/ip /usr/local/bin/",
		},
		{"no unshare", examination{
			direct: eperm(), user: good(probeNames()),
			prefix:   lacks("unshare")["unshare"],
			commands: lacks("unshare"),
			host:     plain,
		}, six, "packages", "sudo apt-get install -y util-linux"},
		{
			"no programs",
			examination{
				direct:   good(probeNames()),
				commands: lacks("step2-mnt", "binlibdepcp"), host: root,
			},
			"step2-mnt binlibdepcp", "programs", "make -C / build",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := maps.Clone(test.examination.direct)
			r := diagnose(test.examination)
			assert.Equal(t, before, test.examination.direct)
			for _, s := range r.Steps {
				assert.Equal(t, s.Can, len(s.Causes) == 0, "%v", s)
			}
			want := withBeyond(test.cannot, test.examination)
			assert.Equal(t, want, strings.Join(r.cannot(), " "))
			assert.Equal(t, ofWorkshop(r).cannot() == nil, r.Can)
			if test.id == "" {
				assert.Empty(t, r.Diagnoses)
				return
			}
			require.Len(t, r.Diagnoses, 1, "%v", r.Diagnoses)
			d := r.Diagnoses[0]
			assert.Equal(t, test.id, d.ID)
			assert.Equal(t, test.fix, d.Fix)
			assert.NotEmpty(t, d.Cause)
			assert.NotEmpty(t, d.Error)
			assert.Equal(t, want, strings.Join(d.Steps, " "))
		})
	}
}

// withBeyond adds to steps that can't run those beyond the workshop that can't either:
// what stands on one of them if a probe has failed, and what uses a command that has. So
// a step's rows in nsteps.Steps, needs and uses are all that these tests need of it.
func withBeyond(steps string, e examination) string {
	named := strings.Fields(steps)
	for _, s := range nsteps.Steps {
		lacks := slices.ContainsFunc(uses[s.Name], func(use string) bool {
			return slices.ContainsFunc(strings.Fields(use), func(word string) bool {
				return e.commands[word] != nil
			})
		})
		bases := []string{s.Base}
		if s.Base == "" { // a container has all their namespaces
			bases = []string{"step2-mnt", "step4-net"}
		}
		stands := failures(e.direct) > 0 && slices.ContainsFunc(bases,
			func(base string) bool { return slices.Contains(named, base) })
		if s.Beyond() && (lacks || stands) && !slices.Contains(named, s.Name) {
			named = append(named, s.Name)
		}
	}
	order := append(nsteps.Names(), jailer)
	slices.SortFunc(named, func(a, b string) int {
		return slices.Index(order, a) - slices.Index(order, b)
	})
	return strings.Join(named, " ")
}

// ofWorkshop returns a report without the steps beyond the workshop.
func ofWorkshop(r report) report {
	beyond := func(name string) bool {
		step, err := nsteps.Find(name)
		return err == nil && step.Beyond()
	}
	r.Steps = slices.DeleteFunc(slices.Clone(r.Steps),
		func(s stepReport) bool { return beyond(s.Name) })
	r.Diagnoses = slices.Clone(r.Diagnoses)
	for i, d := range r.Diagnoses {
		r.Diagnoses[i].Steps = slices.DeleteFunc(slices.Clone(d.Steps), beyond)
	}
	return r
}

// admin are the facts of a container's root with all capabilities.
func admin() *cause.Facts {
	return &cause.Facts{Args: []string{"step1-pid"}, SysAdmin: true, Container: "docker"}
}

// A step that makes a user namespace itself needs none around it: a limit may allow only
// one, and unshare(1) may be missing.
func TestOwnUserNamespace(t *testing.T) {
	inside := with("clone", "CLONE_NEWUSER", unix.ENOSPC, "userns")
	plain := host{Facts: &cause.Facts{Args: []string{"step1-pid"}, UID: 1000}}
	direct := eperm()
	direct["userns"] = nil
	r := diagnose(examination{direct: direct, user: inside, host: plain})
	assert.Empty(t, r.cannot())
	assert.Equal(t, prefix, r.Prefix)
	// Without unshare(1) there is no prefix.
	noUnshare := results{"unshare": {Op: "find", Object: "unshare", Errno: unix.ENOENT}}
	r = diagnose(examination{
		direct: direct, user: inside, prefix: noUnshare["unshare"],
		commands: noUnshare, host: plain,
	})
	for _, s := range r.Steps {
		own := s.Name == "step7-user" || s.Name == "container"
		assert.Equal(t, own || s.Name == jailer, s.Can, s.Name)
	}
	r = diagnose(examination{direct: eperm(), user: inside, host: plain})
	assert.True(t, r.Can, "the workshop needs no step beyond it")
	for _, s := range r.Steps {
		assert.Equal(t, s.Name != "step7-user", s.Can, s.Name)
	}
}

// Two causes at once stay apart, and each has its steps.
func TestDiagnoseTwo(t *testing.T) {
	direct := with("mount proc on", "/proc", unix.EPERM, "proc", "jail")
	direct["queue"] = &failure{Op: "mq_open", Object: "/q", Errno: unix.EMFILE}
	direct["lo"] = &failure{Op: "set up", Object: "lo", Errno: unix.EPERM}
	r := diagnose(examination{
		direct:   direct,
		commands: results{"strace": {Op: "find", Object: "strace", Errno: unix.ENOENT}},
		host: host{
			Facts: admin(), os: "debian",
			outsidePATH: map[string]string{"ip": "/usr/sbin/ip"},
		},
	})
	assert.Equal(t, []string{"masked-proc", "queue-bytes", "capability"},
		[]string{r.Diagnoses[0].ID, r.Diagnoses[1].ID, r.Diagnoses[2].ID})
	assert.Equal(t, []string{"step11-veth"}, r.Diagnoses[2].Steps) // which needs lo
	assert.Equal(t, []string{"masked-proc", "queue-bytes"}, r.Steps[4].Causes)
	assert.Equal(t, []string{"masked-proc"}, r.Steps[1].Causes)
	assert.True(t, r.Steps[0].Can)
	var notes []string
	for _, d := range r.Notes {
		notes = append(notes, d.ID+": "+d.Fix)
	}
	assert.Equal(t, []string{
		"packages: apt-get install -y strace",
		"path: PATH=$PATH:/usr/sbin",
	}, notes)
}

func TestPrefix(t *testing.T) {
	plain := host{Facts: &cause.Facts{Args: []string{"step1-pid"}, UID: 1000}}
	assert.Equal(t, prefix, diagnose(examination{
		direct: eperm(),
		user:   good(probeNames()), host: plain,
	}).Prefix)
	assert.Equal(t, "", diagnose(examination{
		direct: eperm(), user: eperm(),
		host: plain,
	}).Prefix)
	assert.Equal(t, "", diagnose(examination{
		direct: good(probeNames()),
		host:   plain,
	}).Prefix)
	// Root without capabilities that may make a user namespace.
	assert.Equal(t, prefix, diagnose(examination{
		direct: eperm(),
		user:   good(probeNames()), host: host{Facts: admin()},
	}).Prefix)
}

// The shape of --json.
func TestJSON(t *testing.T) {
	out, err := json.Marshal(diagnose(examination{
		direct: eperm(),
		user:   refusedUser(unix.EPERM), host: host{Facts: admin()},
	}))
	require.NoError(t, err)
	assert.NotContains(t, string(out), "null")
	var shape map[string]any
	require.NoError(t, json.Unmarshal(out, &shape))
	for key, keys := range map[string][]string{
		"steps":     {"name", "can", "causes"},
		"diagnoses": {"id", "error", "cause", "fix", "steps"},
		"probes":    {"name", "ok", "error"},
	} {
		first := shape[key].([]any)[0].(map[string]any)
		assert.Len(t, first, len(keys))
		for _, k := range keys {
			assert.Contains(t, first, k)
		}
	}
	assert.Len(t, shape, 6)
}

func TestWrite(t *testing.T) {
	r := diagnose(examination{
		direct: with("mount proc on", "/proc", unix.EPERM,
			"proc", "jail"),
		commands: results{"ip": {Op: "find", Object: "ip", Errno: unix.ENOENT}},
		host:     host{Facts: admin(), os: "debian"},
	})
	var b bytes.Buffer
	write(&b, ofWorkshop(r), 80)
	assert.Equal(t, `step1-pid    can
step2-mnt    can't
step3-uts    can't
step4-net    can't
step5-ipc    can't
step6-chroot can't
binlibdepcp  can

step2-mnt, step3-uts, step4-net, step5-ipc, step6-chroot:
  mount proc on /proc: operation not permitted
  mounts hide parts of /proc, and a new proc would show them; start the
  container with
  fix: docker run --security-opt systempaths=unconfined

step4-net:
  find ip: no such file or directory
  missing here, or without the options that the chapters use: ip
  fix: apt-get install -y iproute2
`, b.String())
	b.Reset()
	write(&b, r, 20)
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		assert.True(t, utf8.RuneCountInString(line) <= 20 ||
			strings.HasPrefix(line, "  fix: "), "%q", line)
		assert.Equal(t, strings.TrimRight(line, " "), line)
	}
}

func TestHost(t *testing.T) {
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
		assert.Equal(t, want, osFamily(release), release)
	}

	assert.Equal(t, "make build BIN=/usr/local/bin", buildCommand("/usr/local/bin"))
}

func TestFailure(t *testing.T) {
	assert.Nil(t, failed(nil))
	assert.Equal(t, "mount x: permission denied",
		(&failure{Op: "mount", Object: "x", Errno: unix.EACCES}).Error())
	own := &failure{Op: "x", Text: "a\x1b"}
	assert.Same(t, own, failed(fmt.Errorf("wrapped: %w", own)))
	assert.Equal(t, `x: a\x1b`, own.Error())
	assert.Equal(t, "try: no", failed(fmt.Errorf("no")).Error())
	assert.Equal(t, "try: no such process", failed(unix.ESRCH).Error())
}
