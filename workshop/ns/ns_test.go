//go:build linux

package ns

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
	"nsteps/workshop/advice"
	"nsteps/workshop/procs"
)

func TestParsePIDs(t *testing.T) {
	pids, err := parsePIDs([]string{"3", "1", "3"})
	require.NoError(t, err)
	assert.Equal(t, []int{3, 1}, pids)
	for _, arg := range []string{
		"", "0", "-1", "x", "1x", "1 2",
		"99999999999999999999", "--tree",
	} {
		_, err := parsePIDs([]string{arg})
		assert.Error(t, err, arg)
	}
}

// two returns processes that share all but their PID namespaces.
func two() []*procs.Details {
	a := &procs.Details{
		PID: 7, Inside: 7, Command: "bash",
		Namespaces: map[string]uint64{},
	}
	b := &procs.Details{
		PID: 4711, Inside: 1, Command: "sl\x1bp",
		Namespaces: map[string]uint64{},
	}
	for i, kind := range []string{
		"pid", "mnt", "uts", "net", "ipc", "user",
		"cgroup", "time",
	} {
		a.Namespaces[kind], b.Namespaces[kind] = 4026531830+uint64(
			i), 4026531830+uint64(i)
	}
	b.Namespaces["pid"] = 4026532000
	return []*procs.Details{a, b}
}

func TestLetters(t *testing.T) {
	processes := append(two(), two()[1], &procs.Details{})
	assert.Equal(t, []int{0, 1, 1, -1}, letters(processes, "pid"))
	assert.Equal(t, []int{0, 0, 0, -1}, letters(processes, "mnt"))
	for n, want := range map[int]string{
		0: "A", 25: "Z", 26: "AA", 51: "AZ", 52: "BA",
		701: "ZZ", 702: "AAA",
	} {
		assert.Equal(t, want, letter(n))
	}
}

func TestTable(t *testing.T) {
	const wide = `PID    7              4711
       bash           sl\x1bp
user   4026531835 A   4026531835 A
pid    4026531830 A   4026532000 B
mnt    4026531831 A   4026531831 A
uts    4026531832 A   4026531832 A
net    4026531833 A   4026531833 A
ipc    4026531834 A   4026531834 A
cgroup 4026531836 A   4026531836 A
time   4026531837 A   4026531837 A
`
	for _, columns := range []int{0, 35, 80} { // 0 is no terminal
		assert.Equal(t, wide, table(two(), columns, nil), columns)
	}
	for _, columns := range []int{20, 34} {
		narrow := table(two(), columns, nil)
		assert.True(t, strings.HasPrefix(narrow,
			"PID    7\n       bash\nuser   4026531835 A\npid    4026531830 A\n"), narrow)
		assert.Contains(t, narrow, "\ntime   4026531837 A\n\nPID    4711\n       "+
			"sl\\x1bp\nuser   4026531835 A\npid    4026532000 B\n")
	}
	long := two()
	long[0].Command = strings.Repeat("日本", 20)
	for line := range strings.Lines(table(long, 20, nil)) {
		assert.LessOrEqual(t, runewidth.StringWidth(line), 20)
	}
	without := two()
	delete(without[0].Namespaces, "time") // a kernel before 5.6
	assert.Contains(t, table(without, 80, nil), "\ntime   -              4026531837 A\n")
}

// What has changed has a mark: a namespace, a command, a process that is new.
func TestMarks(t *testing.T) {
	before := (&view{processes: two()}).byPID()
	assert.NotContains(t, table(two(), 80, before), "*")
	now := two()
	now[0].Namespaces["uts"] = 4026532001
	now[0].Command = "box"
	got := table(now, 80, before)
	assert.Contains(t, got, "\nuts    4026532001 A*  4026531832 B\n")
	assert.Contains(t, got, "       box*           sl")
	assert.Equal(t, 2, strings.Count(got, "*"))
	delete(before, 7)
	assert.Contains(t, table(two(), 80, before),
		"PID    7*             4711\n       bash*   ")
	nodes := []*node{{Kind: "pid", Inode: 1, PIDs: []int{7}}}
	assert.Contains(t, tree(nodes, two(), 80, before), "└─ 7 bash*\n")
	assert.NotContains(t, tree(nodes, two(), 80, nil), "*")
}

func TestTree(t *testing.T) {
	uid := uint32(1000)
	nodes := []*node{ // children before their parents
		{Kind: "user", Inode: 20, Parent: 10, OwnerUID: &uid, PIDs: []int{4711}},
		{Kind: "user", Inode: 10, PIDs: []int{7}},
		{Kind: "pid", Inode: 3, Parent: 2, Userns: 20, PIDs: []int{4711}},
		{Kind: "pid", Inode: 2, Parent: 1, Userns: 20, PIDs: []int{}},
		{Kind: "pid", Inode: 1, Userns: 10, PIDs: []int{7}},
	}
	assert.Equal(t, `PID namespaces
pid:[1] owned by user 10
├─ 7 bash
└─ pid:[2] owned by user 20
   └─ pid:[3] owned by user 20
      └─ 4711 sl\x1bp, PID 1 inside

USER namespaces
user:[10]
├─ 7 bash
└─ user:[20] owned by uid 1000
   └─ 4711 sl\x1bp
`, tree(nodes, two(), 0, nil))
	assert.Contains(t, tree(nodes, two(), 20, nil), `
pid:[1] owned by
│ user 10
├─ 7 bash
└─ pid:[2] owned by
   │ user 20
   └─ pid:[3] owned
      │ by user 20
      └─ 4711
         sl\x1bp,
         PID 1
         inside
`)
}

func TestCaller(t *testing.T) {
	all := procs.All{}
	for _, p := range []linux.Process{
		{PID: 1, Command: "init"},
		{PID: 2, Parent: 1, Command: "bash"},
		{PID: 3, Parent: 2, Command: "sudo"},
		{PID: 4, Parent: 3, Command: "sudo"},
		{PID: 5, Parent: 4, Command: "workshop"},
		{PID: 6, Parent: 2, Command: "workshop"},
		{PID: 7, Parent: 0, Command: "workshop"},
	} {
		all[p.PID] = p
	}
	assert.Equal(t, 2, caller(all, 5))
	assert.Equal(t, 2, caller(all, 6))
	assert.Equal(t, 0, caller(all, 7))
}

func TestNotes(t *testing.T) {
	v := &view{processes: two(), asked: true}
	assert.Empty(t, v.notes(80, nil))
	before := v.byPID()
	v.processes = v.processes[:1]
	assert.Contains(t, v.notes(80, before), "4711 sl\\x1bp has ended")
	assert.Contains(t, (&view{processes: two()[:1]}).notes(0, nil),
		"\nNo process in a step or in a terminal has a")
	assert.Empty(t, (&view{processes: two()}).notes(80, nil))
}

// What isn't shown is named, in the right number, with a command that this person can
// type.
func TestOthers(t *testing.T) {
	root, plain := advice.Person{
		Root:   true,
		Called: "bin/",
	}, advice.Person{Called: "bin/"}
	for _, test := range []struct {
		others others
		me     advice.Person
		alone  bool
		want   []string
	}{
		{others{}, root, false, nil},
		{
			others{hidden: 1},
			root, true,
			[]string{"Not shown: 1 process in steps of other users"},
		},
		{
			others{hidden: 2},
			plain, false,
			[]string{"Not shown: 2 processes in steps of other users; be root: sudo " +
				"bin/workshop ns"},
		},
		{others{}, root, true, []string{"No process in a step or in a terminal has a " +
			"namespace of its own, of those that " +
			"you can look at. Start one in another terminal: bin/step2-mnt -pm sh"}},
		{others{services: []string{"a\u009b", "b"}}, plain, true, []string{
			"No process in a step or in a terminal has a " +
				"namespace of its own, of those that you can look at. Start one in " +
				"another terminal: sudo bin/step2-mnt -pm sh",
			`Other processes have namespaces too, lsns lists them: a\u009b, b`,
		}},
	} {
		assert.Equal(t, test.want, test.others.notes(test.me, test.alone))
	}
}
