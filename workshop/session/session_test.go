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
	labelled := page.Label("page.md", fences("# T\n\n"+text))
	c, err := page.Parse("page.md", labelled)
	require.NoError(t, err)
	return s.Check(c)
}

func TestSession(t *testing.T) {
	for _, test := range []struct{ name, page, want string }{
		{"commands", "'''sh 1\necho one; echo two >&2\ntty >/dev/null && echo a " +
			"terminal\n'''\n" +
			"'''text output\none\ntwo\na terminal\n'''\n", ""},
		{"no output", "'''sh 1\ntrue\n'''\n", ""},
		{
			"output that isn't shown", "'''sh 1\necho one\n'''\n",
			"page.md:5: echo one\n--- page\n+++ run\n@@ -1,1 +1,1 @@\n-\n+one",
		},
		{
			"output that doesn't come",
			"'''sh 1\ntrue\n'''\n'''text output\none\n'''\n",
			"page.md:5: true\n--- page\n+++ run\n@@ -1,1 +1,1 @@\n-one\n+",
		},
		{
			"wrong output",
			"'''sh 1\n(echo 1; echo 2; echo 3)\n'''\n'''text output\n1\n4\n3\n'''\n",
			"page.md:5: (echo 1; echo 2; echo 3)\n--- page\n+++ run\n@@ -1,3 +1,3 @@\n " +
				"1\n-4\n+2\n 3",
		},
		{"no end of the line", "'''sh 1\nprintf x\n'''\n'''text output\nx\n'''\n", ""},
		{"several lines are one command", "'''sh 1\ncat <<END\none\n\nthree\nEND\n" +
			"for i in 1 2; do\n\techo $i\ndone\n'''\n" +
			"'''text output\none\n\nthree\n1\n2\n'''\n", ""},
		{"one shell throughout", "'''sh 1\na=5\ncd /\n'''\n\n'''sh 1\necho $a " +
			"$PWD\n'''\n'''text output\n5 /\n'''\n", ""},
		{"two shells in one directory", "'''sh 1\na=5; echo x >file\n'''\n\n'''sh 2\n" +
			"echo \"$a\" $(cat file)\n'''\n" +
			"'''text output\n x\n'''\n", ""},
		{"a shell in a step", "'''sh 2\nstep3-uts -pu box bash --norc\n'''\n\n" +
			"'''sh 2\nhostname; " +
			"echo $$ \"$HISTFILE\"\n'''\n" +
			"'''text output\nbox\n1 \n'''\n\n'''sh 1\nhostname\n'''\n'''text " +
			"output\nhost\n'''\n\n" +
			"'''sh 2\nexit 3\n'''\n'''text output\nexit\n'''\n\n'''sh 2\n" +
			"echo $?; hostname\n'''\n'''text output\n3\nhost\n'''\n", ""},
		{
			"another shell in a step takes longer",
			"'''sh 2\nstep2-mnt -pm sh\necho $$\n'''\n", "page.md:5: ",
		},
		{"an answer", "'''sh 2\nstep5-ipc -i no echo done\n'''\n'''text output\n " +
			"Child: a message for the parent, up to 80 bytes:\n'''\n\n" +
			"Type:\n\n'''text input 2\nhello, parent\n'''\n'''text output\n" +
			"Parent: received message: hello, parent\ndone\n'''\n", ""},
		{
			"a prompt without an end",
			"'''sh 1\nread -p 'name? ' name\n'''\n'''text output\nname?\n'''\n\n" +
				"'''text input 1\nme\n'''\n\n'''sh 1\necho $name\n'''\n'''text " +
				"output\nme\n'''\n", "",
		},
		{
			"a wrong prompt", "'''sh 1\nread -p 'name? ' name\n'''\n'''text output\n" +
				"who?\n'''\n\n'''text input 1\nme\n'''\n",
			"page.md:5: read -p 'name? ' name\n--- page\n+++ run\n@@ -1,1 +1,1 @@\n" +
				"-who?\n+name?",
		},
		{"while it waits, the host goes on", "'''sh 2\ncat\n'''\n\n'''sh 1\n" +
			"echo meanwhile\n'''\n'''text output\nmeanwhile\n'''\n\n" +
			"'''text input 2\none\n'''\n'''text output\none\n'''\n\n'''text key " +
			"2\nCtrl-D\n'''\n", ""},
		{"keys", "'''sh 2\necho ready >note; tail -f note\n'''\n'''text output\nready\n" +
			"'''\n\n'''text key 2\nCtrl-C\n'''\n'''text output\n\n'''\n\n" +
			"'''sh 2\necho $?\n'''\n'''text output\n130\n'''\n", ""},
		// The outer sh hides the line of a shell about the death, which depends on the shell.
		{"killed from the other terminal", "'''sh 2 running\necho 'echo $$ >pid; exec " +
			"step1-pid -p sleep 86400' >run\nsh -c 'sh run; exit $?' 2>/dev/null\n'''\n\n" +
			"'''sh 1\nuntil [ -s pid ]; do sleep 0.01; done\n" +
			"kill -KILL $(cat pid)\n'''\n\n'''sh 2\n" +
			"echo $?\n'''\n'''text output\n137\n'''\n", ""},
		{
			"a command that doesn't end", "'''sh 1\nsleep 86400\n'''\n",
			"page.md:5: sleep 86400\nit takes longer than 1s",
		},
		{
			"the shell ends", "'''sh 1\nexit\n'''\n",
			"page.md:5: exit\nthe first shell of the terminal has ended; it has printed:\nexit",
		},
		{"colours", "'''sh 1\nprintf '\\033[36mlo\\033[0m\\n'\n'''\n'''text output\n" +
			"lo\n'''\n", ""},
		{"a command that fails", "'''sh 1 fails 2\ntrue\necho x >/no/file\n'''\n" +
			"'''text output\nbash: /no/file: No such file or directory\n'''\n", ""},
		{
			"a command that fails in silence", "'''sh 1\ntrue\nfalse\n'''\n",
			"page.md:6: false\nit ended with status 1",
		},
		{
			"expected text behind a command that fails",
			"'''sh 1\n./nosuch 2>/dev/null\necho done\n'''\n'''text output\ndone\n" +
				"'''\n",
			"page.md:5: ./nosuch 2>/dev/null\nit ended with status 127",
		},
		{
			"a command that ought to fail", "'''sh 1 fails 1\ntrue\n'''\n",
			"page.md:5: true\nit ended with status 0, and the page says that it fails",
		},
		{"on a page about errors", "<!-- may fail -->\n\n'''sh 1\nfalse\n'''\n", ""},
		{"a shell in a shell", "'''sh 2\nstep3-uts -u one bash --norc\n'''\n\n" +
			"'''sh 2\nunshare --uts bash --norc\n'''\n\n" +
			"'''sh 2\nhostname two; echo $PS1\nexit\n'''\n" +
			"'''text output\nstep3-uts#\nexit\n'''\n\n" +
			"'''sh 2\nhostname\nexit\n'''\n" +
			"'''text output\none\nexit\n'''\n", ""},
		{"a shell with another prompt", "'''sh 2\nPS1='other# ' bash --norc\n'''\n\n" +
			"'''sh 2\nenv | grep -e ^PS -e ^PROMPT\nexit\n'''\n" +
			"'''text output\nPS1=other#\nexit\n'''\n", ""},
		{
			"the prompt is set again",
			"'''sh 1\nexport PS1='host# '\n'''\n\n'''sh 1\necho \"$PS1\"\n'''\n" +
				"'''text output\nhost#\n'''\n", "",
		},
		{
			"a prompt that isn't the page's",
			"'''sh 1\nPS1='me# '\n'''\n\n'''sh 1\ntouch typed\n'''\n",
			"page.md:10: touch typed\nnot typed, because it is meant for the prompt " +
				"host#, and the prompt is me#",
		},
		{"a shell that was killed", "'''sh 2\necho $$ >terminal\nstep1-pid -p " +
			"bash --norc\n'''\n\n'''sh 1\n" +
			"kill -KILL $(pgrep -P $(pgrep -P $(cat terminal)))\n'''\n\n'''sh 2 " +
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
			"'''sh 2\nstep3-uts -u '' bash --norc\n'''\n\n'''sh 2\ntouch typed\n'''\n",
			"page.md:5: step3-uts -u '' bash --norc\nit ended with status 125",
		},
		{
			"the step has failed, and the status is lost",
			"'''sh 2\n: a step is missing here; : bash --norc\n'''\n\n'''sh 2" +
				"\ntouch typed\n'''\n",
			"page.md:10: touch typed\nnot typed, because it is meant for shell 2 of " +
				"terminal 2, and shell 1 has the prompt",
		},
		{"a shell that nobody expects", "'''sh 2\nstep3-uts -u box bash --norc " +
			"-i\ntouch typed\n'''\n", "page.md:5: "},
		{
			"no program to answer",
			"'''sh 2\nprintf 'name? '\n'''\n'''text output\n" +
				"name?\n'''\n\n'''text input 2\ntouch typed\n'''\n",
			"page.md:5: printf 'name? '\nthe program that has to read the next line has " +
				"ended: it ended with status 0; it has printed:\nname? ",
		},
		{
			"the program has ended meanwhile",
			"'''sh 2 running\nuntil [ -e go ]; do " +
				"sleep 0.01; done; echo >gone\n'''\n\n'''sh 1\ntouch go\n" +
				"until [ -e gone ]; do sleep 0.01; done\n'''\n\n" +
				"'''text input 2\ntouch typed\n'''\n",
			"page.md:16: touch typed\nnot typed, because the program that it is meant " +
				"for has ended: it ended with status 0",
		},
		{
			"the program has asked and ended, and the shell goes on",
			"'''sh 2\necho 'printf \"name? \"; until [ -e go ]; do sleep 0.01; done' >ask\n" +
				"mkfifo f; sh ask; echo >gone; read x <f\n'''\n'''text output\nname?\n'''\n\n" +
				"'''sh 1\ntouch go\nuntil [ -e gone ]; do sleep 0.01; done\n'''\n\n" +
				"'''text input 2\ntouch typed\n'''\n",
			"touch typed\nnot typed, because the program that it is meant for hasn't " +
				"started within 4s",
		},
		{
			"a shell that is still there",
			"'''sh 2\nstep3-uts -u box bash --norc\n" +
				"'''\n\n'''sh 2 back\ntouch typed\n'''\n",
			"page.md:10: touch typed\nnot typed, because the shell has no prompt: it " +
				"takes longer than 4s",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, t.Context(), false)
			s.Timeout = 4 * time.Second // three pages wait so long
			err := check(t, s, test.page)
			assert.ErrorContains(t, err, test.want)
			assert.NoFileExists(t, filepath.Join(s.Dir(), "typed"))
		})
	}
}

// What would outlive a terminal doesn't outlive the session.
func TestClose(t *testing.T) {
	s := start(t, t.Context(), false)
	require.NoError(t, check(t, s, "'''sh 1\n(setsid nohup sh -c 'sleep 86400 & "+
		"sleep 86400' >/dev/null 2>&1 &)\n'''\n\n"+
		"'''sh 2\nstep2-mnt -pm bash --norc\n'''\n\n"+
		"'''sh 2\n(trap '' HUP TERM; sleep 86400 &)\n"+
		"'''\n"))
}

// Cancelled, a session ends, whatever runs.
func TestCancel(t *testing.T) {
	cause := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := start(t, ctx, false)
	ended := make(chan error, 1)
	text := "'''sh 2\ntouch runs; step1-pid -p sleep 86400\n'''\n"
	go func() { ended <- check(t, s, text) }()
	steptest.WaitFor(t, "the command runs", func() bool {
		_, err := os.Stat(filepath.Join(s.Dir(), "runs"))
		return err == nil
	})
	cancel(cause)
	assert.ErrorIs(t, <-ended, cause) // not that it takes longer than the time for it
}

// The directory is where it was made, wherever a shell goes.
func TestRelativeTMPDIR(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", ".")
	r, err := NewRoom()
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(r.Dir), r.Dir)
	assert.NoError(t, r.Close())
	assert.NoDirExists(t, r.Dir)
}

// With namespaces of its own, a session leaves no mount, no hostname and no queue.
func TestOwn(t *testing.T) {
	s := start(t, t.Context(), true)
	require.NoError(t, check(t, s, "'''sh 1\nmkdir m; mount -t tmpfs none m\n"+
		"hostname other\nipcmk -Q >/dev/null\nhostname\n'''\n"+
		"'''text output\nother\n'''\n\n'''sh 2\nhostname; grep -c $PWD/m "+
		"/proc/self/mountinfo; ipcs -q | grep -c 0x\n'''\n"+
		"'''text output\nother\n1\n1\n'''\n\n'''sh 1\necho secret "+
		">/dev/shm/nsteps-test\n'''\n"))
	assert.NoFileExists(t, "/dev/shm/nsteps-test")
}

// What isn't in the PATH of a terminal is missing. A plain user's PATH has no /usr/sbin,
// and a terminal's has.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin:/usr/sbin")
	assert.Nil(t, Missing(nil))
	assert.Nil(t, Missing([]string{"sh", "ls"}))
	assert.Equal(t, []string{"nonesuch", "none/such"},
		Missing([]string{"sh", "nonesuch", "none/such"}))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o755))
	assert.Equal(t, []string{"mine"}, Missing([]string{"mine"}))
	t.Setenv("PATH", dir)
	assert.Nil(t, Missing([]string{"mine"}))
}
