//go:build linux

package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
	"nsteps/workshop/page"
)

// start opens a session whose directory and processes have to be gone in the end.
func start(t *testing.T, ctx context.Context, own bool) *Session {
	t.Helper()
	steptest.NeedsHost(t)
	t.Setenv("TMPDIR", t.TempDir())
	before := children()
	s, err := Start(ctx, filepath.Dir(steptest.Bin("step1-pid")), own)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.NoError(t, s.Close())
		assert.Equal(t, before, children())
		left, err := os.ReadDir(os.Getenv("TMPDIR"))
		assert.NoError(t, err)
		assert.Empty(t, left)
	})
	return s
}

// fences lets a page be written in a raw string.
func fences(text string) []byte { return []byte(strings.ReplaceAll(text, "'''", "```")) }

// check executes a page that has a heading put before it.
func check(t *testing.T, s *Session, text string) error {
	t.Helper()
	c, err := page.Parse("page.md", fences("# T\n\n"+text))
	require.NoError(t, err)
	return s.Check(c)
}

func TestSession(t *testing.T) {
	for _, test := range []struct{ name, page, want string }{
		{"commands", "'''sh host\necho one; echo two >&2\ntty >/dev/null && echo a " +
			"terminal\n'''\n" +
			"'''text output\none\ntwo\na terminal\n'''\n", ""},
		{"no output", "'''sh host\ntrue\n'''\n", ""},
		{
			"output that isn't shown", "'''sh host\necho one\n'''\n",
			"page.md:4: echo one\n--- page\n+++ run\n@@ -1,1 +1,1 @@\n-\n+one",
		},
		{
			"output that doesn't come",
			"'''sh host\ntrue\n'''\n'''text output\none\n'''\n",
			"page.md:4: true\n--- page\n+++ run\n@@ -1,1 +1,1 @@\n-one\n+",
		},
		{
			"wrong output",
			"'''sh host\n(echo 1; echo 2; echo 3)\n'''\n'''text output\n1\n4\n3\n'''\n",
			"page.md:4: (echo 1; echo 2; echo 3)\n--- page\n+++ run\n@@ -1,3 +1,3 @@\n " +
				"1\n-4\n+2\n 3",
		},
		{"no end of the line", "'''sh host\nprintf x\n'''\n'''text output\nx\n'''\n", ""},
		{"several lines are one command", "'''sh host\ncat <<END\none\n\nthree\nEND\n" +
			"for i in 1 2; do\n\techo $i\ndone\n'''\n" +
			"'''text output\none\n\nthree\n1\n2\n'''\n", ""},
		{"one shell throughout", "'''sh host\na=5\ncd /\n'''\n\n'''sh host\necho $a " +
			"$PWD\n'''\n'''text output\n5 /\n'''\n", ""},
		{"two shells in one directory", "'''sh host\na=5; echo x >file\n'''\n\n'''sh " +
			"inside\necho \"$a\" $(cat file)\n'''\n" +
			"'''text output\n x\n'''\n", ""},
		{"a shell in a step", "'''sh inside\nstep3-uts -pu box bash --norc\nhostname; " +
			"echo $$ \"$HISTFILE\"\n'''\n" +
			"'''text output\nbox\n1 \n'''\n\n'''sh host\nhostname\n'''\n'''text " +
			"output\nhost\n'''\n\n" +
			"'''sh inside\nexit 3\n'''\n'''text output\nexit\n'''\n\n'''sh inside\n" +
			"echo $?; hostname\n'''\n'''text output\n3\nhost\n'''\n", ""},
		{
			"another shell in a step takes longer",
			"'''sh inside\nstep2-mnt -pm sh\necho $$\nexit\n'''\n", "page.md:4: ",
		},
		{"an answer", "'''sh inside\nstep5-ipc -i no echo done\n'''\n'''text output\n " +
			"Child: a message for the parent, up to 80 bytes:\n'''\n\n" +
			"Type:\n\n'''text input inside\nhello, parent\n'''\n'''text output\n" +
			"Parent: received message: hello, parent\ndone\n'''\n", ""},
		{
			"a prompt without an end",
			"'''sh host\nread -p 'name? ' name\n'''\n'''text output\nname?\n'''\n\n" +
				"'''text input host\nme\n'''\n\n'''sh host\necho $name\n'''\n'''text " +
				"output\nme\n'''\n", "",
		},
		{
			"a wrong prompt", "'''sh host\nread -p 'name? ' name\n'''\n'''text output\n" +
				"who?\n'''\n\n'''text input host\nme\n'''\n",
			"page.md:4: read -p 'name? ' name\n--- page\n+++ run\n@@ -1,1 +1,1 @@\n" +
				"-who?\n+name?",
		},
		{"while it waits, the host goes on", "'''sh inside\ncat\n'''\n\n'''sh host\n" +
			"echo meanwhile\n'''\n'''text output\nmeanwhile\n'''\n\n" +
			"'''text input inside\none\n'''\n'''text output\none\n'''\n\n'''text key " +
			"inside\nCtrl-D\n'''\n", ""},
		{"keys", "'''sh inside\necho ready >note; tail -f note\n'''\n'''text output\nready\n" +
			"'''\n\n'''text key inside\nCtrl-C\n'''\n'''text output\n\n'''\n\n" +
			"'''sh inside\necho $?\n'''\n'''text output\n130\n'''\n", ""},
		{"killed from the other terminal", "'''sh inside running\nbash -c 'echo $$ " +
			">pid; exec step1-pid -p sleep 86400'\n'''\n\n" +
			"'''sh host\nsleep 0.2; kill -KILL $(cat pid); sleep 0.2\n'''\n\n'''sh " +
			"inside\necho $?\n'''\n'''text output\nKilled\n137\n'''\n", ""},
		{
			"a command that doesn't end", "'''sh host\nsleep 86400\n'''\n",
			"page.md:4: sleep 86400\nit takes longer than 1s",
		},
		{
			"the shell ends", "'''sh host\nexit\n'''\n",
			"page.md:4: exit\nthe shell on the host has ended; it has printed:\nexit",
		},
		{"colours", "'''sh host\nprintf '\\033[36mlo\\033[0m\\n'\n'''\n'''text output\n" +
			"lo\n'''\n", ""},
		{"a command that fails", "'''sh host fails 2\ntrue\necho x >/no/file\n'''\n" +
			"'''text output\nbash: /no/file: No such file or directory\n'''\n", ""},
		{
			"a command that fails in silence", "'''sh host\ntrue\nfalse\n'''\n",
			"page.md:5: false\nit ended with status 1",
		},
		{
			"expected text behind a command that fails",
			"'''sh host\n./nosuch 2>/dev/null\necho done\n'''\n'''text output\ndone\n" +
				"'''\n",
			"page.md:4: ./nosuch 2>/dev/null\nit ended with status 127",
		},
		{
			"a command that ought to fail", "'''sh host fails 1\ntrue\n'''\n",
			"page.md:4: true\nit ended with status 0, and the page says that it fails",
		},
		{"on a page about errors", "<!-- may fail -->\n\n'''sh host\nfalse\n'''\n", ""},
		{"a shell in a shell", "'''sh inside\nstep3-uts -u one bash --norc\nunshare " +
			"--uts bash --norc\nhostname two\nexit\nhostname\nexit\n'''\n" +
			"'''text output\nexit\none\nexit\n'''\n", ""},
		{"a shell that was killed", "'''sh inside\necho $$ >terminal\nstep1-pid -p " +
			"bash --norc\n'''\n\n'''sh host\n" +
			"kill -KILL $(pgrep -P $(pgrep -P $(cat terminal)))\n'''\n\n'''sh inside " +
			"back\necho $?\n'''\n'''text output\n137\n'''\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, t.Context(), false)
			if strings.Contains(test.want+test.name, "takes longer") {
				s.Timeout = time.Second
			}
			if strings.Contains(test.name, "wrong prompt") {
				s.quiet = time.Second
			}
			err := check(t, s, test.page)
			var failed *Error
			switch {
			case test.want == "":
				assert.NoError(t, err)
			case strings.HasSuffix(test.want, ": "):
				assert.ErrorContains(t, err, test.want)
			default:
				assert.EqualError(t, err, test.want)
			}
			assert.True(t, err == nil || errors.As(err, &failed))
		})
	}
}

// A line is typed only where it is meant to be: no page here creates its file.
func TestNotTyped(t *testing.T) {
	for _, test := range []struct{ name, page, want string }{
		{
			"the step has failed",
			"'''sh inside\nstep3-uts -u '' bash --norc\ntouch typed\n'''\n",
			"page.md:4: step3-uts -u '' bash --norc\nit ended with status 125",
		},
		{
			"the step has failed, and the status is lost",
			"'''sh inside\n: a step is missing here; : bash --norc\n'''\n\n'''sh " +
				"inside\ntouch typed\n'''\n",
			"page.md:8: touch typed\nnot typed, because it is meant for shell 2 of the " +
				"terminal inside, and shell 1 has the prompt",
		},
		{"a shell that nobody expects", "'''sh inside\nstep3-uts -u box bash --norc " +
			"-i\ntouch typed\n'''\n", "page.md:4: "},
		{
			"no program to answer",
			"'''sh inside\nprintf 'name? '\n'''\n'''text output\n" +
				"name?\n'''\n\n'''text input inside\ntouch typed\n'''\n",
			"page.md:4: printf 'name? '\nthe program that the page goes on with has " +
				"ended: it ended with status 0; it has printed:\nname? ",
		},
		{
			"the program has ended meanwhile",
			"'''sh inside running\nuntil [ -e go ]; do " +
				"sleep 0.01; done\n'''\n\n'''sh host\ntouch go; sleep 0.2\n'''\n\n" +
				"'''text input inside\ntouch typed\n'''\n",
			"page.md:12: touch typed\nnot typed, because the program that it is meant " +
				"for has ended: it ended with status 0",
		},
		{
			"a shell that is still there",
			"'''sh inside\nstep3-uts -u box bash --norc\n" +
				"'''\n\n'''sh inside back\ntouch typed\n'''\n",
			"page.md:8: touch typed\nnot typed, because the shell has no prompt: it " +
				"takes longer than 10s",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, t.Context(), false)
			s.Timeout = 10 * time.Second
			err := check(t, s, test.page)
			assert.ErrorContains(t, err, test.want)
			assert.NoFileExists(t, filepath.Join(s.Dir(), "typed"))
		})
	}
}

// What would outlive a terminal doesn't outlive the session.
func TestClose(t *testing.T) {
	s := start(t, t.Context(), false)
	require.NoError(t, check(t, s, "'''sh host\n(setsid nohup sh -c 'sleep 86400 & "+
		"sleep 86400' >/dev/null 2>&1 &)\n'''\n\n"+
		"'''sh inside\nstep2-mnt -pm bash --norc\n(trap '' HUP TERM; sleep 86400 &)\n"+
		"'''\n"))
}

// Cancelled, a session ends at once, whatever runs.
func TestCancel(t *testing.T) {
	cause := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := start(t, ctx, false)
	time.AfterFunc(300*time.Millisecond, func() { cancel(cause) })
	began := time.Now()
	assert.ErrorIs(t, check(t, s, "'''sh inside\nstep1-pid -p sleep 86400\n'''\n"), cause)
	assert.Less(t, time.Since(began), 3*time.Second)
}

// With namespaces of its own, a session leaves no mount, no hostname and no queue.
func TestOwn(t *testing.T) {
	s := start(t, t.Context(), true)
	require.NoError(t, check(t, s, "'''sh host\nmkdir m; mount -t tmpfs none m\n"+
		"hostname other\nipcmk -Q >/dev/null\nhostname\n'''\n"+
		"'''text output\nother\n'''\n\n'''sh inside\nhostname; grep -c $PWD/m "+
		"/proc/self/mountinfo; ipcs -q | grep -c 0x\n'''\n"+
		"'''text output\nother\n1\n1\n'''\n\n'''sh host\necho secret "+
		">/dev/shm/nsteps-test\n'''\n"))
	assert.NoFileExists(t, "/dev/shm/nsteps-test")
}
