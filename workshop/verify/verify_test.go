//go:build linux

package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps"
	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/workshop/advice"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

// There is a goal for each step, in their order.
func TestGoals(t *testing.T) {
	require.Len(t, goals, len(nsteps.Steps))
	for i, step := range nsteps.Steps {
		g, err := find(step.Short)
		require.NoError(t, err)
		assert.Equal(t, &goals[i], g)
		assert.Equal(t, "verify "+step.Label()+" 42", g.verify(42).args)
		for _, c := range g.checks {
			assert.NotEmpty(t, c.text)
			assert.NotEmpty(t, c.hint)
			assert.NotEmpty(t, c.then.args)
			assert.NotContains(t, c.hint, c.then.args, "a hint doesn't name the command")
		}
	}
	_, err := find("77")
	assert.ErrorContains(t, err, "there are 1 (pid), 2 (mnt)")
}

// container returns facts that all goals apply to, but for what change does to them.
func container(change func(*facts)) *facts {
	day := 24 * 60 * 60
	f := &facts{
		PID: 4706, Inside: 1, Command: "bash", Step: &step{4694, "step6-chroot"},
		Namespaces: map[string]namespace{}, Init: 4706, Others: 1,
		Root: "/tmp/jail", Proc: procOwn,
		Mounts: &comparison{
			Count: 3, Own: []mount{
				{Point: "/proc", Type: "proc"},
				{Point: "/mnt", Type: "tmpfs"},
			},
			Shared: []string{},
		},
		Hostname: "box", HostName: "host", Links: []link{{"lo", true}},
		Queues: &queues{SystemV: 1, POSIX: []string{}}, Unknown: map[string]string{},
		Privileges: &privileges{Bounding: 0xa80425fb, NoNew: true, Filters: 2},
		Ahead:      &day,
	}
	for i, kind := range []string{
		"pid", "mnt", "uts", "net", "ipc", "user",
		"cgroup", "time",
	} {
		f.Namespaces[kind] = namespace{
			4026532280 + uint64(i),
			slices.Contains([]string{"pid", "mnt", "uts", "net", "ipc"}, kind),
		}
	}
	if change != nil {
		change(f)
	}
	return f
}

func shares(kinds ...string) func(*facts) {
	return func(f *facts) {
		for _, kind := range kinds {
			f.Namespaces[kind] = namespace{f.Namespaces[kind].Inode, false}
		}
		// What isn't read then.
		if slices.Contains(kinds, "pid") {
			f.Init, f.Others, f.Inside = 0, 0, 4706
		}
		if slices.Contains(kinds, "mnt") {
			f.Mounts = nil
		}
		if slices.Contains(kinds, "net") {
			f.Links = nil
		}
		if slices.Contains(kinds, "ipc") {
			f.Queues = nil
		}
	}
}

// dev are mounts of step 9.
var dev = []mount{
	{"/dev", "tmpfs"}, {"/dev/null", "devtmpfs"}, {"/dev/pts", "devpts"}, {"/sys", "sysfs"},
}

// mounted sets the mounts that the host doesn't have.
func mounted(mounts ...mount) func(*facts) {
	return func(f *facts) { f.Mounts.Own = mounts }
}

func TestJudge(t *testing.T) {
	const pid, mnt = "step1-pid -p bash --norc", "step2-mnt -pm bash --norc"
	jail := jailed.program + " " + jailed.args
	for _, test := range []struct {
		name   string
		goal   string
		change func(*facts)
		checks string // of each: a mark
		then   string
	}{
		{"all", "1", nil, "✓✓✓", ""},
		{"all", "2", nil, "✓✓✓✓✓", ""},
		{"all", "3", nil, "✓✓", ""},
		{"all", "4", nil, "✓✓", ""},
		{"all", "5", nil, "✓✓", ""},
		{"all", "6", nil, "✓✓✓", ""},
		{"all", "8", nil, "✓✓✓", ""},

		{
			"in a chroot", "8", func(f *facts) { f.Above = "/tmp" }, "✓✗✓",
			pivoted.program + " " + pivoted.args,
		},
		{
			"the host's root", "8", func(f *facts) { f.HostRoot = true }, "✗✗✓",
			pivoted.program + " " + pivoted.args,
		},
		{"the host's PID namespace", "1", shares("pid"), "✗✗✗", pid},
		{
			"PID 1 of the host's", "1",
			func(f *facts) { shares("pid")(f); f.Inside = 1; f.Others = 7 }, "✗✗✗", pid,
		},
		{
			"not PID 1", "1", func(f *facts) { f.Inside, f.Init = 6, 4700 }, "✓✗✓",
			"workshop verify 1 4700",
		},
		{"not PID 1, which is hidden", "1", func(f *facts) {
			f.Inside, f.Init = 6,
				0
		}, "✓✗✓", pid},
		{"alone", "1", func(f *facts) { f.Others = 0 }, "✓✓✗", " sleep 1000 &"},
		{
			"perhaps alone", "1",
			func(f *facts) { f.Others = 0; f.Unknown["others"] = "EACCES" }, "✓✓?", "",
		},
		{
			"not alone, with one that is hidden", "1",
			func(f *facts) { f.Unknown["others"] = "EACCES" }, "✓✓✓", "",
		},
		{
			"the step itself", "1", func(f *facts) {
				shares("pid")(
					f)
				f.Child = 99
			}, "✗✗✗",
			"workshop verify 1 99",
		},
		{"a step that is PID 1", "1", func(f *facts) { f.Child = 99 }, "✓✓✓", ""},

		{"nothing of its own", "2", shares("pid", "mnt"), "✗✗✗✗✗", mnt},
		{"the host's MNT namespace", "2", shares("mnt"), "✓✗✗✓✗", mnt},
		{"the host's PID namespace", "2", shares("pid"), "✗✓✓✗✓", mnt},
		{
			"the host's proc", "2", func(f *facts) { f.Proc = procHost }, "✓✓✓✗✓",
			" mount -t proc proc /proc",
		},
		{
			"another proc", "2", func(f *facts) { f.Proc = procOther }, "✓✓✓✗✓",
			" mount -t proc proc /proc",
		},
		{
			"no proc", "2", func(f *facts) { f.Proc = procNone }, "✓✓✓✗✓",
			" mount -t proc proc /proc",
		},
		{
			"a hidden proc", "2",
			func(f *facts) { f.Proc = ""; f.Unknown["proc"] = "EACCES" }, "✓✓✓?✓", "",
		},
		{
			"no other mount", "2", func(f *facts) { f.Mounts.Own = f.Mounts.Own[:1] },
			"✓✓✓✓✗", " mount -t tmpfs none /mnt",
		},
		{
			"another proc at another place", "2",
			func(f *facts) {
				f.Mounts.Own[1] = mount{
					Point: "/mnt",
					Type:  "proc",
				}
			}, "✓✓✓✓✓", "",
		},
		{
			"a tmpfs over /proc", "2",
			func(f *facts) {
				f.Mounts.Own[1] = mount{
					Point: "/proc",
					Type:  "tmpfs",
				}
			}, "✓✓✓✓✓", "",
		},
		{
			"a leak", "2", func(f *facts) { f.Mounts.Shared = []string{"/"} }, "✓✓✗✓✓",
			" mount --make-rprivate /",
		},
		{"a leak, before it is used", "2", func(f *facts) {
			f.Mounts.Shared,
				f.Mounts.Own = []string{"/"}, nil
		}, "✓✓✗✓✗", " mount --make-rprivate /"},
		{
			"a leak, and the host's proc", "2", func(f *facts) {
				f.Mounts.Shared,
					f.Proc = []string{"/"}, procHost
			}, "✓✓✗✗✓",
			" mount --make-rprivate /",
		},
		{
			"hidden mounts", "2",
			func(f *facts) { f.Mounts = nil; f.Unknown["mounts"] = "EACCES" },
			"✓✓?✓?", "",
		},
		{"hidden mounts, and no proc", "2", func(f *facts) {
			f.Mounts, f.Proc = nil,
				procNone
			f.Unknown["mounts"] = "EACCES"
		}, "✓✓?✗?", " mount -t proc proc " +
			"/proc"},

		{"the host's UTS namespace", "3", shares("uts"), "✗✗", "step3-uts -u box bash --norc"},
		{
			"the host's name", "3", func(f *facts) { f.Hostname = f.HostName }, "✓✗",
			" hostname box",
		},
		{"no name", "3", func(f *facts) { f.Hostname = "" }, "✓✓", ""},
		{
			"a hidden name", "3",
			func(f *facts) { f.Hostname = ""; f.Unknown["hostname"] = "EPERM" }, "✓?", "",
		},

		{"the host's NET namespace", "4", shares("net"), "✗✗", "step4-net -n bash --norc"},
		{
			"lo down", "4", func(f *facts) { f.Links[0].Up = false }, "✓✗",
			" ip link set lo up",
		},
		{"another one up", "4", func(f *facts) {
			f.Links = []link{
				{"lo", false},
				{"lo2", true},
			}
		}, "✓✗", " ip link set lo up"},
		{
			"no links", "4", func(f *facts) { f.Links = []link{} }, "✓✗",
			" ip link set lo up",
		},
		{
			"hidden links", "4",
			func(f *facts) { f.Links = nil; f.Unknown["links"] = "EPERM" }, "✓?", "",
		},

		{"the host's IPC namespace", "5", shares("ipc"), "✗✗", "step5-ipc -i yes bash --norc"},
		{"no queue", "5", func(f *facts) { f.Queues.SystemV = 0 }, "✓✗", " ipcmk -Q"},
		{"a POSIX queue", "5", func(f *facts) {
			f.Queues = &queues{
				0,
				[]string{"/one"},
			}
		}, "✓✓", ""},
		{
			"hidden POSIX queues", "5",
			func(f *facts) { f.Queues.SystemV = 0; f.Unknown["queues"] = "EPERM" },
			"✓?", "",
		},
		{
			"hidden POSIX queues, one of System V", "5",
			func(f *facts) { f.Unknown["queues"] = "EPERM" }, "✓✓", "",
		},

		{"the host's root directory", "6", func(f *facts) {
			f.Root, f.HostRoot = "/",
				true
		}, "✗✓✓", jail},
		{
			"a hidden root directory", "6",
			func(f *facts) { f.Root = ""; f.Unknown["root"] = "EACCES" }, "?✓✓", "",
		},
		{"the host's network", "6", shares("net"), "✓✗✓", jail},
		{"the host's processes", "6", shares("pid"), "✓✗✗", jail},
		{"no proc", "6", func(f *facts) { f.Proc = procNone }, "✓✓✗", jail},

		{"all", "9", mounted(dev...), "✓✓✓✓✓", ""},
		{"the image's /dev", "9", nil, "✓✗✗✗✗", furnished.program + " " + furnished.args},
		{
			"no devices", "9", mounted(dev[0]), "✓✓✗✗✗",
			furnished.program + " " + furnished.args,
		},
		{
			"the host's network", "9", mounted(dev[:3]...), "✓✓✓✓✗",
			`step4-net -n "$(command -v step9-dev)" -pmdr img bash --norc`,
		},
		{
			"hidden mounts", "9",
			func(f *facts) { f.Mounts = nil; f.Unknown["mounts"] = "EACCES" }, "✓????", "",
		},

		{"all", "10", mounted(mount{"/", "overlay"}), "✓✓", ""},
		{
			"the image itself", "10", mounted(mount{"/", "ext4"}), "✓✗",
			overlaid.program + " " + overlaid.args,
		},
		{
			"an overlay elsewhere", "10", mounted(mount{"/mnt", "overlay"}), "✓✗",
			overlaid.program + " " + overlaid.args,
		},

		{"all", "13", nil, "✓✓✓", ""},
		{"all capabilities", "13", func(f *facts) {
			f.Privileges = &privileges{Bounding: 1<<41 - 1, Settings: true}
		}, "✗✗✗", "step13-caps -pml bash"},
		{
			"settings of the host", "13", func(f *facts) { f.Privileges.Settings = true },
			"✓✓✗", "step13-caps -pml bash",
		},
		{"hidden", "13", func(f *facts) {
			f.Privileges = nil
			f.Unknown["privileges"] = "EACCES"
		}, "???", ""},
		{"all", "14", nil, "✓✓", ""},
		{
			"one filter", "14", func(f *facts) { f.Privileges.Filters = 1 }, "✓✗",
			"step14-seccomp -s $(command -v step14-seccomp) -s bash",
		},
		{
			"no filter", "14", func(f *facts) { f.Privileges.Filters = 0 }, "✗✗",
			"step14-seccomp -s bash",
		},
		{"the host's TIME namespace", "15", nil, "✗✓", "step15-time -t 24h bash"},
		{"an hour", "15", func(f *facts) {
			f.Namespaces["time"] = namespace{1, true}
			*f.Ahead = 3600
		}, "✓✗", "step15-time -t 24h bash"},
		{"a day", "15", func(f *facts) { f.Namespaces["time"] = namespace{1, true} }, "✓✓", ""},
	} {
		t.Run(test.goal+", "+test.name, func(t *testing.T) {
			g, err := find(test.goal)
			require.NoError(t, err)
			v := g.judge(container(test.change))
			var got strings.Builder
			for _, c := range v.Checks {
				got.WriteString(marks[c.Result])
			}
			assert.Equal(t, test.checks, got.String())
			want := met
			if strings.Contains(got.String(), "?") {
				want = unknown
			}
			if strings.Contains(got.String(), "✗") {
				want = unmet
			}
			assert.Equal(t, want, v.Result)
			assert.Equal(t, want == unmet, v.hint != "")
			then := ""
			if v.hint != "" {
				then = v.then.program + " " + v.then.args
			}
			assert.Equal(t, test.then, then)
		})
	}
}

// A mount of its own is read-only, or one beside it is.
func TestWritable(t *testing.T) {
	const proc = "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
	for mounts, want := range map[string]bool{
		proc: true, "": true,
		proc + "23 22 0:21 /sys /proc/sys ro,nosuid - proc proc rw\n":  false,
		proc + "23 22 0:21 /sys /proc/sys rw,nosuid - proc proc ro\n":  true,
		proc + "23 22 0:21 /irq /proc/irq ro,nosuid - proc proc rw\n":  true,
		proc + "23 22 0:21 /sys /proc/sysx ro,nosuid - proc proc rw\n": true,
	} {
		assert.Equal(t, want, writable(mounts, "/proc/sys"), mounts)
	}
}

const hostMounts = `22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:27 / /my\040disk rw,relatime - tmpfs my\040disk rw
31 27 254:0 /srv /data rw shared:9 master:1 - ext4 /dev/vda rw
bad line
`

// The host receives from a group that it is a slave of.
func TestCompareSlave(t *testing.T) {
	inside, host := "27 1 254:0 / / rw shared:1 - ext4 x rw\n", "27 1 254:0 / / rw "+
		"master:1 - ext4 x rw\n"
	assert.Equal(t, []string{"/"}, compare(linux.ParseMounts(inside),
		linux.ParseMounts(host), "/").Shared)
	assert.Empty(t, compare(linux.ParseMounts(host),
		linux.ParseMounts(inside), "/").Shared)
}

func TestCompare(t *testing.T) {
	host := linux.ParseMounts(hostMounts)
	require.Len(t, host, 4)
	private := strings.NewReplacer(" shared:5", "", " shared:1", "", " shared:9",
		"").Replace(hostMounts)
	for name, test := range map[string]struct {
		mounts, root string
		own          []string
		shared       []string
	}{
		"a copy":        {private, "/", nil, nil},
		"a shared copy": {hostMounts, "/", nil, []string{"/proc", "/", "/data"}},
		"its own groups": {strings.NewReplacer("shared:5", "shared:15", "shared:1 ",
			"shared:11 ", "shared:9", "shared:19").
			Replace(hostMounts), "/", nil, nil},
		"slaves": {strings.ReplaceAll(hostMounts, "shared:",
			"master:"), "/", nil, nil},
		"a new proc": {
			private + "99 22 0:50 / /proc rw - proc proc rw\n", "/",
			[]string{"/proc"},
			nil,
		},
		"a bind": {
			private + "99 27 254:0 /etc /mnt rw - ext4 /dev/vda rw\n", "/",
			[]string{"/mnt"},
			nil,
		},
		"twice": {
			private + "99 27 0:27 / /my\\040disk rw - tmpfs none rw\n", "/",
			[]string{"/my disk"},
			nil,
		},
		"two fields": {"99 27 0:50 / /mnt rw shared:9 propagate_from:3 - tmpfs none " +
			"rw\n", "/", []string{"/mnt"}, []string{"/mnt"}},
		"a jail": {
			"99 27 0:51 / /proc rw - proc proc rw\n", "/jail",
			[]string{"/proc"},
			nil,
		},
		"a jail's": {"31 27 254:0 /srv / rw - ext4 /dev/vda rw\n", "/data", nil, nil},
		"below it": {
			"31 27 0:27 / /disk rw - tmpfs none rw\n", "/my",
			[]string{"/disk"},
			nil,
		},
		"nothing":     {"", "/", nil, nil},
		"without any": {"31 27 0:27 / /disk rw -\n", "/", nil, nil},
	} {
		c := compare(linux.ParseMounts(test.mounts), host, test.root)
		var own, shared []string
		for _, m := range c.Own {
			own = append(own, m.Point)
		}
		shared = append(shared, c.Shared...)
		assert.Equal(t, test.own, own, name)
		assert.Equal(t, test.shared, shared, name)
	}
}

// What a person has to type depends on who that is, and on how the process was started.
func TestLine(t *testing.T) {
	step, inside, again := command{"step1-pid", "-p bash --norc"}, command{
		"",
		"hostname box",
	}, command{"workshop", "verify 1 42"}
	mine, users := &facts{}, &facts{userns: true}
	root, plain := advice.Person{Root: true}, advice.Person{Called: "bin/"}
	for _, test := range []struct {
		person advice.Person
		typed  command
		facts  *facts
		want   string
	}{
		{root, step, users, "step1-pid -p bash --norc"},
		{plain, step, nil, "sudo bin/step1-pid -p bash --norc"},
		{plain, step, mine, "sudo bin/step1-pid -p bash --norc"},
		{plain, step, users, "unshare --user --map-root-user bin/step1-pid -p bash --norc"},
		{plain, inside, mine, "hostname box"},
		{plain, again, mine, "bin/workshop verify 1 42"},
	} {
		assert.Equal(t, test.want, line(test.person, test.typed, test.facts))
	}
	assert.Equal(t, "start one in terminal 2: step1-pid -p bash --norc",
		howToStart(root, &goals[0]))
	assert.Contains(t, howToStart(advice.Person{Root: true, PIDNS: true}, &goals[0]),
		"\nor ask outside: ")
	assert.Equal(t, "be root: sudo bin/workshop verify 2 7", elevate(plain, &goals[1], 7))
	assert.Contains(t, elevate(advice.Person{Root: true, UserNS: true}, &goals[1],
		7), "ask outside")
	assert.Empty(t, elevate(root, &goals[1], 7))
}

func TestText(t *testing.T) {
	f := container(func(f *facts) {
		f.Links = []link{{"lo", false}, {"ve\x1bth", true}}
		f.Mounts.Shared = []string{"/", "/sys", "/dev", "/run", "/tmp", "/home"}
		f.Queues, f.Unknown["queues"] = &queues{
			SystemV: 2,
		}, "mount mqueue: operation not permitted"
	})
	r := report{
		goal: &goals[3], facts: f, verdict: goals[3].judge(f),
		me: advice.Person{}, asked: true,
	}
	assert.Equal(t, `process 4706, bash, started by step6-chroot (4694)
  own:      pid:[4026532280] mnt:[4026532281] uts:[4026532282] net:[4026532283]
            ipc:[4026532284]
  shared:   user cgroup time
  inside:   PID 1, with 1 other
  root:     /tmp/jail
  /proc:    of its PID namespace
  mounts:   3, its own are /proc (proc) /mnt (tmpfs), in a peer group with the
            host's are / /sys /dev /run and 2 more
  hostname: box (the host's is host)
  links:    lo down, ve\x1bth up
  queues:   2 of System V, mount mqueue: operation not permitted
goal of chapter 4, NET: not yet
  ✓ a NET namespace of its own
  ✗ lo is up
  hint: A new NET namespace has one link, and that is down: ip link, inside,
    shows it.
  more: workshop verify -H 4 4706
`, r.text(output.Prose))
	r.strong = true
	narrow := r.text(20)
	assert.True(t, strings.HasPrefix(narrow, `process 4706, bash,
started by
step6-chroot (4694)
  own:
    pid:[4026532280]
    mnt:[4026532281]
    uts:[4026532282]
    net:[4026532283]
    ipc:[4026532284]
  shared:
    user cgroup time
`), narrow)
	assert.True(t, strings.HasSuffix(narrow, `
goal of chapter 4,
NET: not yet
  ✓ a NET namespace
    of its own
  ✗ lo is up
  hint: A new NET
    namespace has
    one link, and
    that is down: ip
    link, inside,
    shows it.
  type in terminal 2, inside: ip link set lo up
`), narrow)
	for line := range strings.Lines(strings.TrimSuffix(narrow,
		"  type in terminal 2, inside: ip link set lo up\n")) {
		assert.LessOrEqual(t, runewidth.StringWidth(line), 20)
	}

	for _, g := range goals {
		for result := range verdicts {
			r := report{goal: &g, facts: f, verdict: verdict{Result: result}}
			text := strings.Join(strings.Fields(r.text(20)), " ")
			assert.Equal(t, 1, strings.Count(text, verdicts[result]), text)
		}
	}

	hidden := container(func(f *facts) {
		f.Hostname, f.HostName, f.Links, f.Queues = "", "", nil, nil
		f.Mounts, f.Proc, f.Root = nil, "", ""
		for _, fact := range []string{
			"hostname", "links", "queues", "mounts", "proc",
			"root", "others",
		} {
			f.Unknown[fact] = fact + " denied"
		}
		f.Others = 0
	})
	r = report{
		goal: &goals[2], facts: hidden, verdict: goals[2].judge(hidden),
		me: advice.Person{Called: "bin/"},
	}
	text := r.text(80)
	for _, line := range []string{
		"inside:   PID 1, others denied", "root:     root denied", "/proc:    proc " +
			"denied",
		"mounts:   mounts denied", "hostname: hostname denied", "links:    links " +
			"denied", "queues:   queues denied",
	} {
		assert.Contains(t, text, "  "+line+"\n")
	}
	assert.True(t, strings.HasSuffix(text, `
goal of chapter 3, UTS: unknown
  ✓ a UTS namespace of its own
  ? a hostname that isn't the host's
  be root: sudo bin/workshop verify 3 4706
`), text)
}

func TestQueues(t *testing.T) {
	for want, q := range map[string]*queues{
		"": nil, "none": {}, "2 of System V": {SystemV: 2},
		"POSIX /a /b": {POSIX: []string{"/a", "/b"}}, "1 of System V, POSIX /a": {
			1,
			[]string{"/a"},
		},
	} {
		assert.Equal(t, want, q.String())
	}
}

// A process is told from another one that has its PID by the start.
func TestGather(t *testing.T) {
	all, self, err := procs.Read()
	require.NoError(t, err)
	p := all[self]
	for name, test := range map[string]struct {
		change func(*linux.Process)
		want   error
	}{
		"ended, and the PID is another's": {func(
			p *linux.Process,
		) {
			p.Start--
		}, errMeanwhile},
		"a zombie": {
			func(p *linux.Process) { p.Zombie = true },
			procs.ErrEnded,
		},
		"of the kernel": {func(
			p *linux.Process,
		) {
			p.Kernel = true
		}, errKernel},
	} {
		changed := p
		test.change(&changed)
		all[self] = changed
		_, err := gather(all, self, self)
		assert.ErrorIs(t, err, test.want, name)
	}
	delete(all, self)
	_, err = gather(all, self, self)
	assert.ErrorIs(t, err, unix.ESRCH)
}

// What can be seen from in here doesn't take a namespace to be entered.
func TestChild(t *testing.T) {
	seen, err := child("uts")
	require.NoError(t, err)
	assert.NotEmpty(t, seen.Hostname)
	seen, err = child("net")
	require.NoError(t, err)
	assert.NotNil(t, seen.Links)
	_, err = child("user")
	var usage *cmdline.UsageError
	assert.True(t, errors.As(err, &usage))
}

func TestParseRoutes(t *testing.T) {
	const (
		head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
		all  = "up0 00000000 01080A0A 0003 0 0 0 00000000 0 0 0\n"
	)
	// The numbers stand as the processor has them in memory.
	hex := func(address ...byte) string {
		return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(address))
	}
	line := func(network, gateway, mask string) string {
		return "eth0\t" + network + "\t" + gateway + "\t0001\t0\t0\t0\t" + mask + "\t0\t0\t0\n"
	}
	cable := line(hex(10, 77, 8, 0), "00000000", hex(255, 255, 255, 252))
	other := line(hex(10, 1, 0, 0), "00000000", hex(255, 255, 0, 0))
	far := line(hex(10, 2, 0, 0), hex(10, 77, 8, 1), hex(255, 255, 0, 0))
	for text, want := range map[string]struct {
		routed  bool
		gateway string
	}{
		"": {}, head: {}, head + all: {true, ""},
		head + cable: {false, "10.77.8.1"}, head + all + cable: {true, "10.77.8.1"},
		head + far + cable + other: {false, "10.77.8.1"},
	} {
		routed, gateway := parseRoutes(text)
		assert.Equal(t, want.routed, routed, text)
		assert.Equal(t, want.gateway, gateway, text)
	}
	assert.Equal(t, "ip route add default via 10.9.8.1", throughCable(&facts{}).args)
}
