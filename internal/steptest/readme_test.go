//go:build linux

package steptest

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps"
)

// readme returns the README.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return string(text)
}

// The README is short, its links lead somewhere, and make knows its targets.
func TestReadme(t *testing.T) {
	text := readme(t)
	assert.LessOrEqual(t, len(strings.Fields(text)), 600, "words")
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	for _, to := range link.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(to[1], "https://") {
			assert.FileExists(t, "../../"+to[1])
		}
	}
	target := regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")
	for _, name := range target.FindAllStringSubmatch(text, -1) {
		out, err := exec.Command("make", "-C", "../..", "-n", name[1],
			"STEP=2").CombinedOutput()
		assert.NoError(t, err, string(out))
	}
}

// The README's terminal shows a session with step 6: a person who types its commands
// sees the same, but for the numbers of processes.
func TestReadmeTerminal(t *testing.T) {
	_, session, found := strings.Cut(readme(t), "```text\n")
	require.True(t, found)
	session, _, _ = strings.Cut(session, "```\n")
	tt := OpenShell(t)
	dir := withJail(t)

	var before unix.Utsname
	require.NoError(t, unix.Uname(&before))
	require.NoError(t, unix.Sethostname([]byte("laptop"))) // of the tests' namespace
	defer func() {
		name := unix.ByteSliceToString(before.Nodename[:])
		assert.NoError(t, unix.Sethostname([]byte(name)))
	}()
	tt.prompt = `(?:host|step6-chroot)# $`
	tt.Run("cd " + dir + "; PS1='host# '")
	typed := regexp.MustCompile(`(?m)^\S+# (.*)$`).FindAllStringSubmatch(session, -1)
	require.NotEmpty(t, typed)
	seen := len(tt.All()) - len("host# ")
	for _, line := range typed {
		tt.Run(line[1])
	}
	lines := strings.Split(tt.All()[seen:], "\n")
	got := strings.Join(lines[:len(lines)-1], "\n") + "\n" // without the last prompt
	assert.Equal(t, tidy(session), tidy(got))
}

// withJail returns a new directory with a jail in it, as make fills it.
func withJail(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("make", "-s", "-C", "../..", "-o", "build", "jail",
		"BIN="+bin, "DIR="+dir+"/jail").CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// tidy replaces numbers of processes by N, and removes blanks at the ends of lines. Only
// amd64 has a directory lib64.
func tidy(session string) string {
	session = regexp.MustCompile(`(?m) +$`).ReplaceAllString(session, "")
	if runtime.GOARCH != "amd64" {
		session = strings.ReplaceAll(session, "lib64  ", "")
	}
	return regexp.MustCompile(`(?m)^ *(?:[2-9]|[1-9][0-9]+)( |$)`).
		ReplaceAllString(session, "N$1")
}

// The reference has each option that a program's help has, and each command.
func TestReference(t *testing.T) {
	if bin == "" {
		t.Skip("SKIPPED: the programs weren't built")
	}
	text, err := os.ReadFile("../../docs/reference.md")
	require.NoError(t, err)
	rows := map[string]string{} // the options and commands of each section
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		rows[title] = section
	}
	option := regexp.MustCompile(`(?m)^ {3}(?:(-\w), |    )(--[a-z-]+)`)
	check := func(section string, args ...string) {
		help, err := exec.Command(Bin(args[0]), append(args[1:], "--help")...).Output()
		require.NoError(t, err)
		found := option.FindAllStringSubmatch(string(help), -1)
		assert.NotEmpty(t, found, args)
		for _, names := range found {
			for _, name := range names[1:] {
				row := regexp.MustCompile("`" + name + "[` ]")
				assert.True(t, name == "" || row.MatchString(section),
					"docs/reference.md has no %s of %s", name, args)
			}
		}
	}
	for _, step := range nsteps.Steps {
		check(rows["The steps"], step.Name)
	}
	check(rows["binlibdepcp"], "binlibdepcp")
	help, err := exec.Command(Bin("workshop"), "--help").Output()
	require.NoError(t, err)
	_, list, found := strings.Cut(string(help), "\ncommands:\n")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		command := strings.Fields(line)[0]
		row := regexp.MustCompile("(?m)^\\| `workshop " + command + "[` ].*")
		check(row.FindString(rows["workshop"])+"`-h` `--help`", "workshop", command)
	}
}

// The handout's commands start what it says, and a person finds there what it names.
func TestHandout(t *testing.T) {
	NeedsHost(t)
	text, err := os.ReadFile("../../docs/handout.md")
	require.NoError(t, err)
	row := regexp.MustCompile("(?m)^\\| (\\d) \\| [^|]+ \\| `([^`]+)`[^|]* \\| (.*) \\|$")
	rows := row.FindAllStringSubmatch(string(text), -1)
	require.Len(t, rows, 6) // of the workshop
	dir := withJail(t)
	for i, look := range []struct{ row, typed, want string }{
		{"`echo $$` prints 1", "echo $$", `^1\n$`},
		{"`ps` lists two processes", "ps -e", `^.*\n.* bash\n.* ps\n$`},
		{"`hostname` prints `box`", "hostname", `^box\n$`},
		{
			"`ip link` shows only `lo`, and `lo` is down", "ip -o link",
			`^1: lo: .* state DOWN .*\n$`,
		},
		{"the parent prints your line", "hello", `received message: hello\ndone\n$`},
		{"`ls /` shows the jail", "ls /", `^bin\netc\n(.*\n)*usr\n$`},
	} {
		assert.Contains(t, rows[i][3], look.row)
		cmd := exec.Command("bash", "-c", rows[i][2])
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(look.typed+"\n")
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, rows[i][2])
		assert.Regexp(t, look.want, string(out), rows[i][2])
	}
}
