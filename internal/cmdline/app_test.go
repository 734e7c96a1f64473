package cmdline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

func failed(operation, object string, err error) error {
	return &fs.PathError{Op: operation, Path: object, Err: err}
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{Status(3), 3},
		{fmt.Errorf("wrapped: %w", Status(137)), 137},
		{Status(StatusFailed), 125},
		{&UsageError{errors.New("no such option")}, 125},
		{failed("clone", "CLONE_NEWPID", syscall.EPERM), 125},
		{failed("chroot", "jail", syscall.ENOENT), 125},
		{failed("exec", "ls", syscall.ENOENT), 127},
		{failed("exec", "/etc/passwd/ls", syscall.ENOTDIR), 127},
		{failed("exec", "/etc", syscall.EACCES), 126},
		{failed("exec", "/bin/arm", syscall.ENOEXEC), 126},
		{failed("exec", "/bin/ls", syscall.E2BIG), 126},
	} {
		assert.Equal(t, test.want, ExitStatus(test.err), "%v", test.err)
	}
}

func TestUsageText(t *testing.T) {
	for _, test := range []struct{ text, typed, want string }{
		{
			"flag provided but not defined: -nosuch", "step --nosuch",
			"no such option: --nosuch",
		},
		{
			"flag provided but not defined: -nosuch", "step -nosuch",
			"no such option: -nosuch",
		},
		{
			"flag provided but not defined: -nosuch", "step -nosuch=1",
			"no such option: -nosuch",
		},
		{"flag provided but not defined: -z", "step -z", "no such option: -z"},
		{"flag needs an argument: -uts", "step --uts", "option needs a value: --uts"},
		{
			`invalid boolean value "x" for -pid: parse error`, "step --pid=x",
			`invalid boolean value "x" for --pid: parse error`,
		},
		{"bad flag syntax: ---x", "step ---x", "bad flag syntax: ---x"},
	} {
		assert.Equal(t, test.want, usageText(test.text, strings.Fields(test.typed)))
	}
}

// One dash stands before letters. With -ipc, c is no option.
func TestApart(t *testing.T) {
	flags := []cli.Flag{&cli.IntFlag{Name: "t", Aliases: []string{"target"}}}
	for _, option := range []string{"mnt", "net", "ipc"} {
		flags = append(flags,
			&cli.BoolFlag{Name: option[:1], Aliases: []string{option}})
	}
	for typed, want := range map[string]string{
		"join -mnt 1 sh": "join -m -n -t 1 sh", "join -i -mnt 1 sh": "join -i -m -n -t 1 sh",
		"join --mnt -t 1 sh": "join --mnt -t 1 sh", "join -nmt 1": "join -nmt 1",
		"join -t 1 find -mnt": "join -t 1 find -mnt", "join -t -mnt": "join -t -mnt",
		"join -nt -mnt sh": "join -nt -mnt sh", "join -- -mnt": "join -- -mnt",
		"join --target -mnt": "join --target -mnt", "join -ipc -mnt": "join -ipc -m -n -t",
		"join --target=1 -mnt": "join --target=1 -m -n -t", "join - -mnt": "join - -mnt",
		"join -m": "join -m", "join": "join",
	} {
		assert.Equal(t, want, strings.Join(apart(flags, strings.Fields(typed)), " "))
	}
}

// What can't be written is reported once, whether the action returns that or not.
func TestRun(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED: needs /dev/full")
	}
	defer full.Close()
	before := Stdout
	defer func() { Stdout = before }()
	const unwritten = "write standard output: no space left on device"
	other := errors.New("another error")
	for _, test := range []struct {
		returned error
		want     string
	}{
		{nil, unwritten},
		{other, "another error\n" + unwritten},
		{Status(3), unwritten},
	} {
		Stdout = &Output{w: full}
		app := &cli.App{Name: "app", Action: func(c *cli.Context) error {
			fmt.Fprintln(c.App.Writer, "text")
			return test.returned
		}}
		Configure(app)
		assert.EqualError(t, Run(app, []string{"app"}), test.want)
	}
	Stdout = &Output{w: full}
	app := &cli.App{Name: "app", Action: cli.ShowAppHelp}
	Configure(app)
	err = Run(app, []string{"app"})
	require.EqualError(t, err, unwritten)
	assert.NotErrorIs(t, err, syscall.ENOSPC) // a hint on a full disk would be wrong
	_, again := fmt.Fprintln(Stdout, "more")
	assert.Same(t, Stdout.Err(), again)
}

func TestReportAndFlatten(t *testing.T) {
	a, b, c := errors.New("a\nb"), errors.New("b"), errors.New("c")
	assert.Equal(t, []error{a}, Flatten(a))
	assert.Equal(t, []error{a, b, c}, Flatten(errors.Join(errors.Join(a, b), c)))
	var text strings.Builder
	Report(&text, "app", a, "one\ntwo")
	Report(&text, "app", b, "")
	assert.Equal(t, "app: a\\nb\n  one\n  two\napp: b\n", text.String())
}
