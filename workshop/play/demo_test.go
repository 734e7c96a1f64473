//go:build linux

package play

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps"
	"nsteps/docs"
	"nsteps/internal/linux"
	"nsteps/internal/steptest"
	"nsteps/workshop/page"
)

// demonstrate returns the command "workshop demo".
func demonstrate(t *testing.T) *exec.Cmd {
	cmd := play(t)
	cmd.Args = []string{cmd.Args[0], "demo"}
	return cmd
}

// Without a terminal the demo doesn't wait. Each chapter fits on a screen of 24 lines.
func TestDemo(t *testing.T) {
	began := time.Now()
	out, err := demonstrate(t).CombinedOutput()
	require.NoError(t, err, string(out))
	t.Logf("%s without pauses", time.Since(began))
	parts := strings.Split(string(out), "\n\n")
	assert.NotContains(t, string(out), "7 USER", "a step beyond the workshop")
	assert.NotContains(t, string(out), "\x1b")
	for _, step := range nsteps.Steps[:6] {
		title := strings.Split(step.Chapter, "-")[0] + " "
		found := false
		for _, part := range parts {
			found = found || strings.HasPrefix(strings.TrimLeft(part, "\n"), title)
		}
		assert.True(t, found, "%s is missing", step.Chapter)
	}
	lines := 0
	for line := range strings.SplitSeq(string(out), "\n") {
		if !strings.Contains(line, "/workshop ") { // whose path isn't broken
			assert.LessOrEqual(t, runewidth.StringWidth(line), 80, line)
		}
		if lines++; line == "" {
			lines = 0
		}
		assert.LessOrEqual(t, lines, 24, line)
	}
	_, last, found := strings.Cut(string(out), "\nWhat you have seen\n")
	assert.True(t, found)
	assert.LessOrEqual(t, strings.Count(last, "\n"), 23, last)
	assert.Contains(t, last, "\nWhat to do next\n")
}

// The demo of one chapter shows that one, as fast as the demo of the workshop, and leads
// to it.
func TestDemoChapter(t *testing.T) {
	number := "1"
	if linux.InInitialUser() {
		number = "7" // it needs an ordinary user
	}
	cmd := demonstrate(t)
	cmd.Args = append(cmd.Args, number)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	step, err := nsteps.Find(number)
	require.NoError(t, err)
	title := "\n" + number + " " + strings.ToUpper(step.Short) + ": "
	assert.True(t, strings.HasPrefix(string(out), title), string(out))
	assert.NotContains(t, string(out), "\n2 MNT")
	assert.Contains(t, string(out), "host")
	assert.Contains(t, string(out), "workshop start "+number+"\n")
	assert.Contains(t, string(out), "docs/"+step.Chapter+".md\n")

	for args, want := range map[string]string{
		"0":    "workshop: chapter 0-setup has no commands for the demo\n",
		"nine": "workshop: no chapter nine; there are 0-setup, 1-pid, ",
		"1 2":  "workshop: one chapter, and options before it: 2\n",
	} {
		bad := exec.Command(cmd.Path, append([]string{"demo"}, strings.Fields(args)...)...)
		out, _ := bad.CombinedOutput()
		assert.Equal(t, 125, bad.ProcessState.ExitCode())
		assert.True(t, strings.HasPrefix(string(out), want), string(out))
	}
}

// The pauses of the workshop's demo are as long as they were when it had no other steps.
func TestDemoPace(t *testing.T) {
	all, err := read(docs.FS)
	require.NoError(t, err)
	pause, err := perCharacter(all)
	require.NoError(t, err)
	total := time.Duration(0)
	for _, ch := range all {
		number, _, _ := strings.Cut(ch.Name, "-")
		if n, err := strconv.Atoi(number); err == nil && n <= 6 {
			for _, step := range scenes(ch) {
				total += time.Duration(weight(step)) * pause
			}
		}
	}
	assert.InDelta(t, reading.Seconds(), total.Seconds(), 1)
}

// Each step shows what the host sees beside what the container sees.
func TestDemoMarks(t *testing.T) {
	all, err := read(docs.FS)
	require.NoError(t, err)
	for _, step := range nsteps.Steps[6:] {
		if ch := named(all, step.Name); assert.NotNil(t, ch, step.Name) {
			assert.NotEmpty(t, scenes(ch), "%s marks nothing", ch.Name)
			assert.Less(t, height(ch), 24, ch.Name)
		}
	}
	for _, step := range nsteps.Steps[:6] {
		ch := named(all, step.Name)
		require.NotNil(t, ch, step.Name)
		assert.NotEmpty(t, first(ch, 1), "%s marks nothing in terminal 1", ch.Name)
		assert.NotEmpty(t, first(ch, 2), "%s marks nothing in terminal 2", ch.Name)
		assert.NotEmpty(t, scenes(ch)[0].Lines)
	}
}

// In a terminal it pauses; a key goes on, and q ends it before all of it ran.
func TestDemoKeys(t *testing.T) {
	cmd := demonstrate(t)
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	s := steptest.OpenColumns(t, 80, cmd)
	before := s.Before()
	s.Expect("1 PID: ")
	s.Expect("step1-pid -p bash --norc")
	s.Type("    ")
	s.Expect("1 0")
	s.Type("q")
	assert.Equal(t, 1, s.Wait())
	assert.Equal(t, before, s.Settings())
	assert.True(t, strings.HasSuffix(s.All(), "\n"), s.All())
}

// On a screen with few rows, and on one whose cursor can't move, there are no columns. q
// leaves the cursor below all that was printed.
func TestDemoScreens(t *testing.T) {
	for _, test := range []struct {
		term    string
		rows    uint16
		columns bool
	}{{"xterm", 24, true}, {"xterm", 8, false}, {"dumb", 24, false}, {"", 24, false}} {
		t.Run(fmt.Sprint(test.term, test.rows), func(t *testing.T) {
			cmd := demonstrate(t)
			cmd.Env = append(cmd.Env, "NO_COLOR=1", "TERM="+test.term)
			s := steptest.OpenSize(t, 80, test.rows, cmd)
			s.Expect("step1-pid -p ")
			s.Type("q")
			assert.Equal(t, 1, s.Wait())
			assert.Equal(t, test.columns, strings.Contains(s.All(), "\x1b["), s.All())
			assert.Equal(t, test.columns, strings.Contains(s.All(), gap), s.All())
		})
	}
}

// However a demo ends, the cursor is below the board: what has been made of the higher
// column isn't overwritten.
func TestBoardEnds(t *testing.T) {
	cmd := demonstrate(t)
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	s := steptest.OpenColumns(t, 80, cmd)
	up := regexp.MustCompile("\x1b\\[([0-9]+)A[^A]*$")
	s.Expect("\x1b\\[[2-9]A") // it goes up two rows at least, in the higher column
	s.Type("q")
	assert.Equal(t, 1, s.Wait())
	match := up.FindStringSubmatch(s.Raw())
	require.NotNil(t, match)
	rows, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	down := strings.Count(match[0], "\n") + strings.Count(match[0], "\x1b[B")
	assert.Greater(t, down, rows+1, "%q", match[0])
}

// The chapters that are shown have as many rows as their pages say, at most.
func TestHeight(t *testing.T) {
	all, err := read(docs.FS)
	require.NoError(t, err)
	for _, step := range nsteps.Steps[:6] {
		assert.Less(t, height(named(all, step.Name)), 24, step.Name)
		assert.Greater(t, height(named(all, step.Name)), 5, step.Name)
	}
}

// Where something fails, the demo says so, and doesn't end with 0.
func TestDemoFails(t *testing.T) {
	steptest.NeedsHost(t)
	demo := demonstrate(t)
	cmd := exec.Command("unshare", append([]string{
		"--user", "--map-root-user", "sh", "-c",
		`sysctl -q -w user.max_uts_namespaces=1; "$@"; echo status $?`, "sh",
	}, demo.Args...)...)
	cmd.Env = demo.Env
	out, _ := cmd.CombinedOutput()
	assert.Contains(t, string(out), "step3-uts: clone CLONE_NEWUTS: no space left on device")
	assert.Contains(t, string(out), "workshop: demo stopped at docs/3-uts.md:")
	assert.Contains(t, string(out), "\nstatus 1\n")
}

func TestScenes(t *testing.T) {
	text := page.Label("9-x.md", []byte(strings.ReplaceAll(`# 9 X: y

'''sh 1
true
'''

'''sh 2
cd /
step1-pid -p bash --norc
'''

<!-- demo: It is PID 1. -->
'''sh 2
echo $$
'''

<!-- demo: It has no parent. -->
'''sh 2
echo $PPID
'''
`, "'''", "```")))
	ch, err := page.Parse("9-x.md", text)
	require.NoError(t, err)
	steps := ch.Steps()
	assert.Equal(t, []*page.Step{steps[1], steps[2], steps[3]}, scenes(ch))
	assert.Equal(t, "It is PID 1.", first(ch, 2))
	assert.Empty(t, first(ch, 1))
	assert.Equal(t, 30+len("It is PID 1.")+len("echo $$"), weight(steps[2]))
}

func TestWrapped(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", ""},
		{"one two", "one two"},
		{"one two three four", "one two|  three|  four"},
		{"onetwothreefour", "onetwothre|  efour"},
		{"a\tb", "a    b"},
		{"cat /proc/x/y", "cat /proc/|  x/y"},
		{"╭╮ three four five", "╭╮ three|  four|  five"},
	} {
		assert.Equal(t, test.want,
			strings.Join(wrapped(test.line, 10, "  "), "|"), test.line)
	}
}

// Blocks stand side by side, and a later block never stands higher than an earlier one.
func TestBoard(t *testing.T) {
	b := &board{player: &player{width: 80}}
	b.split()
	b.width = 20
	b.open()
	b.begin(2, "")
	require.NoError(t, b.typed(t.Context(), "host# ", "step"))
	b.begin(2, "A sentence.")
	require.NoError(t, b.typed(t.Context(), "step# ", "a command that is long"))
	b.output("one\ntwo\n")
	b.begin(1, "Beside it.")
	b.output(strings.Repeat("x\n", 20))
	var lines []string
	for _, row := range b.rows {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-10s|%s", row[0], row[1]), " "))
	}
	assert.Equal(t, ` terminal 1: on the host | terminal 2: goes inside
          |host# step
Beside it.|A sentence.
x         |step# a command
x         |  that is long
x         |one
x         |two
x         |
x         |
x         |
(13 more lines)|`, strings.Join(lines, "\n"))
}
