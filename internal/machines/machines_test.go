//go:build linux

// Package machines tests the descriptions of machines for those who have no Linux:
// .devcontainer, of a container, and lima.yaml, of a virtual machine. Neither is started
// here. Their files are held against the formats, and the commands in them are run.
package machines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/jsonc"
	"go.yaml.in/yaml/v3"

	"nsteps/internal/steptest"
	"nsteps/workshop/doctor"
)

func TestMain(m *testing.M) {
	steptest.Main(m, steptest.Steps("binlibdepcp", "workshop")...)
}

const (
	devcontainer = ".devcontainer/devcontainer.json"
	dockerfile   = ".devcontainer/Dockerfile"
	lima         = "lima.yaml"
	page         = "docs/platforms.md"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	require.NoError(t, err)
	return string(text)
}

// container is the part of the format of devcontainer.json that this repository's file
// uses, see https://containers.dev/implementors/json_reference. The format has more.
type container struct {
	Name              string
	Build             struct{ Dockerfile string }
	RemoteUser        string
	Init              bool
	CapAdd            []string
	SecurityOpt       []string
	PostCreateCommand string
	PostAttachCommand string
}

// parseContainer refuses fields that it doesn't know, and values that no engine knows.
// The format itself takes any string as a capability or an option.
func parseContainer(text string) (c container, err error) {
	decoder := json.NewDecoder(bytes.NewReader(jsonc.ToJSON([]byte(text))))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, err
	}
	for field, value := range map[string]string{
		"name":             c.Name,
		"build.dockerfile": c.Build.Dockerfile,
		"remoteUser":       c.RemoteUser, "postCreateCommand": c.PostCreateCommand,
	} {
		if value == "" {
			return c, fmt.Errorf("no %s", field)
		}
	}
	if err := known(c.CapAdd, "SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_TIME",
		"SYS_PTRACE"); err != nil {
		return c, err
	}
	return c, known(c.SecurityOpt, "seccomp=unconfined", "apparmor=unconfined",
		"label=disable",
		"systempaths=unconfined")
}

// known returns an error if there is no value, one that isn't among the others, or one
// twice.
func known(values []string, others ...string) error {
	if len(values) == 0 {
		return fmt.Errorf("none of %s", others)
	}
	for i, value := range values {
		if !slices.Contains(others, value) || slices.Contains(values[:i], value) {
			return fmt.Errorf("%q twice, or none of %s", value, others)
		}
	}
	return nil
}

func readContainer(t *testing.T) container {
	t.Helper()
	c, err := parseContainer(read(t, devcontainer))
	require.NoError(t, err)
	return c
}

// machine is the part of the format of lima.yaml that this repository's file uses. Names
// and types are those of Lima 2: templates/default.yaml, and its type LimaYAML.
type machine struct {
	MinimumLimaVersion string `yaml:"minimumLimaVersion"`
	Base               string
	CPUs               int
	Memory             string
	Disk               string
	Containerd         struct{ System, User bool }
	Provision          []struct{ Mode, Script string }
	Message            string
}

// parseMachine refuses fields that it doesn't know, and values of another form.
func parseMachine(text string) (m machine, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&m); err != nil {
		return m, err
	}
	for _, check := range []struct{ value, form string }{
		{m.MinimumLimaVersion, `^[0-9]+\.[0-9]+\.[0-9]+$`},
		{m.Base, `^template:_images/[a-z]+-[0-9.]+$`},
		{fmt.Sprint(m.CPUs), `^[1-9][0-9]*$`},
		{m.Memory, `^[0-9]+(MiB|GiB)$`},
		{m.Disk, `^[0-9]+(MiB|GiB)$`},
	} {
		if !regexp.MustCompile(check.form).MatchString(check.value) {
			return m, fmt.Errorf("%q isn't of the form %s", check.value, check.form)
		}
	}
	for _, p := range m.Provision {
		if err := known([]string{p.Mode}, "system", "user", "boot", "dependency", "data",
			"yq"); err != nil {
			return m, err
		}
		if !strings.HasPrefix(p.Script, "#!/") {
			return m, errors.New("a script without an interpreter")
		}
	}
	return m, nil
}

// instruction matches those of a Dockerfile, which go on in the next line after a "\".
var instruction = regexp.MustCompile(`(?m)^([A-Z]+) ((?:.*\\\n)*.*)$`)

// image returns the image that a Dockerfile begins with, and the commands that it runs.
func image(t *testing.T) (from, run string) {
	t.Helper()
	for _, m := range instruction.FindAllStringSubmatch(read(t, dockerfile), -1) {
		switch m[1] {
		case "FROM":
			require.Empty(t, from)
			from = m[2]
		case "RUN":
			require.Empty(t, run)
			run = m[2]
		default:
			require.Fail(t, "an instruction that this test doesn't know", m[0])
		}
	}
	require.NotEmpty(t, from)
	require.NotEmpty(t, run)
	return from, run
}

// provision returns the script that installs in the virtual machine.
func provision(t *testing.T) string {
	t.Helper()
	m, err := parseMachine(read(t, lima))
	require.NoError(t, err)
	require.Len(t, m.Provision, 1)
	return m.Provision[0].Script
}

// The files are of their formats, and what is misspelt isn't.
func TestFormats(t *testing.T) {
	for _, file := range []struct {
		name   string
		parse  func(string) error
		broken map[string]string // what it has, and what breaks it in the place
	}{
		{devcontainer, func(text string) error {
			_,
				err := parseContainer(text)
			return err
		}, map[string]string{
			`"securityOpt"`:          `"securityOpts"`,
			`"dockerfile":`:          `"file":`,
			`"init": true`:           `"init": "true"`,
			`"SYS_ADMIN"`:            `"CAP_SYS_ADMIN"`,
			"systempaths=unconfined": "systempaths:unconfined",
			`"remoteUser": "root",`:  ``,
		}},
		{
			lima, func(text string) error { _, err := parseMachine(text); return err },
			map[string]string{
				"provision:":     "provisions:",
				"mode: system":   "mode: root",
				"memory: 2GiB":   "memory: 2",
				"user: false":    "user: none",
				"template:":      "template://",
				"#!/bin/sh":      "# sh",
				"minimumLimaVer": "minimumVer",
			},
		},
	} {
		text := read(t, file.name)
		assert.NoError(t, file.parse(text), file.name)
		for from, to := range file.broken {
			require.Contains(t, text, from, file.name)
			assert.Error(t, file.parse(strings.Replace(text, from, to, 1)),
				"%s with %s", file.name, to)
		}
	}
	assert.FileExists(t, "../../"+dockerfile)
}

// Both install what the doctor looks for, and beside it only what builds and shows it.
func TestPackages(t *testing.T) {
	need := append(slices.Collect(maps.Values(doctor.Packages("debian"))),
		"git", "make", "tmux")
	want := func(more ...string) []string {
		all := append(more, need...)
		slices.Sort(all)
		return slices.Compact(all)
	}
	words := func(re, text string) []string {
		m := regexp.MustCompile(re).FindStringSubmatch(text)
		require.NotNil(t, m, text)
		return strings.Fields(strings.ReplaceAll(m[1], "\\\n", " "))
	}
	_, run := image(t)
	assert.Equal(t, want(), words(`(?s)--no-install-recommends(.*)$`, run), dockerfile)
	assert.Equal(t, want("ca-certificates", "golang-go"),
		words(`(?m)^packages="(.*)"$`, provision(t)), lima)
}

// The image's Go is as new as go.mod asks for: it is told to fetch no newer one. The
// virtual machine's is older, and fetches one.
func TestGo(t *testing.T) {
	needs := regexp.MustCompile(`(?m)^go (.*)$`).FindStringSubmatch(read(t, "go.mod"))
	from, _ := image(t)
	has := regexp.MustCompile(`^golang:([0-9.]+)-[a-z]+$`).FindStringSubmatch(from)
	require.NotNil(t, has, from)
	assert.GreaterOrEqual(t, version.Compare("go"+has[1], "go"+needs[1]), 0,
		"%s, and go.mod has %s", from, needs[1])
	for _, archive := range regexp.MustCompile(
		`go([0-9.]+)\.linux-amd64\.tar\.gz`).FindAllStringSubmatch(read(t, page), -1) {
		assert.GreaterOrEqual(t, version.Compare("go"+archive[1], "go"+needs[1]), 0,
			"%s: %s", page, archive[0])
	}
}

// What installs the packages is run, with an apt-get that only simulates: apt knows
// each, and they can be installed together.
func TestInstall(t *testing.T) {
	_, run := image(t)
	for name, script := range map[string]string{
		dockerfile: "set -e\n" + run,
		lima:       provision(t),
	} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command("sh", "-n", "-c", script).CombinedOutput()
			assert.NoError(t, err, "%s", out)
			if _, err := exec.LookPath("shellcheck"); err == nil {
				cmd := exec.Command("shellcheck", "--shell=sh", "-")
				cmd.Stdin = strings.NewReader(script)
				out, err := cmd.CombinedOutput()
				assert.NoError(t, err, "%s", out)
			}
			simulate(t, script)
		})
	}
}

func simulate(t *testing.T, script string) {
	out, _ := exec.Command("apt-cache", "policy", "golang-go").Output()
	if !bytes.Contains(out, []byte("Candidate: ")) ||
		bytes.Contains(out, []byte("Candidate: (none)")) {
		t.Skip("SKIPPED: apt-get isn't here, or the lists of Debian's packages " +
			"aren't: apt-get update")
	}
	apt, err := exec.LookPath("apt-get")
	require.NoError(t, err)
	dir := t.TempDir()
	for command, text := range map[string]string{
		"apt-get": `if [ "$1" = update ]; then exit; fi; exec ` + apt +
			` --simulate "$@"`,
		"dpkg": "exit 1", // nothing is installed
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, command),
			[]byte("#!/bin/sh\n"+text+"\n"), 0o755))
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LC_ALL=C")
	out, err = cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "Building dependency tree", "nothing was simulated")
}

// What builds the programs, and what then looks whether they can run, do so, in a MNT
// namespace with an empty /usr/local/bin.
func TestBuild(t *testing.T) {
	steptest.NeedsHost(t)
	c := readContainer(t)
	assert.Contains(t, read(t, lima), "sudo "+c.PostCreateCommand+"\n")
	assert.Contains(t, read(t, page), "sudo "+c.PostCreateCommand+"\n")
	script := fmt.Sprintf("set -e; PATH=$PATH:$(dirname %q); export PATH\n"+
		"mount -t tmpfs -o mode=755 none /usr/local/bin\ncd ../..\n%s\nhash -r\n"+
		"[ $(command -v step1-pid) = /usr/local/bin/step1-pid ]\n%s\n", goTool(t),
		c.PostCreateCommand, c.PostAttachCommand)
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `(?m)^step6-chroot +can$`, string(out))
}

// goTool returns the go command's own file, which may be in /usr/local/bin, too.
func goTool(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(root)), "bin/go")
}

// usual are the capabilities that a container of Podman has unless told otherwise;
// Docker's has these and more.
var usual = []string{
	"chown", "dac_override", "fowner", "fsetid", "kill",
	"net_bind_service", "setfcap",
	"setgid", "setpcap", "setuid", "sys_chroot",
}

// With the container's capabilities all can run as root, and each that it adds is needed.
func TestCapabilities(t *testing.T) {
	steptest.NeedsHost(t)
	added := readContainer(t).CapAdd
	look := func(names []string) (out string) {
		set := "-all"
		for _, name := range slices.Concat(names, usual) {
			set += ",+" + strings.ToLower(name)
		}
		text, _ := exec.Command("setpriv", "--bounding-set="+set,
			steptest.Bin("workshop"), "doctor").CombinedOutput()
		require.Contains(t, string(text), "step1-pid ", "the doctor hasn't run")
		return string(text)
	}
	// Without SYS_ADMIN the doctor may find that a user namespace helps.
	trouble := `(?i)can't|operation not permitted|unshare --user`
	assert.NotRegexp(t, trouble, look(added))
	for i, name := range added {
		assert.Regexp(t, trouble, look(slices.Delete(slices.Clone(added), i, i+1)),
			"without %s", name)
	}
}

// The page names the packages that the doctor names.
func TestPage(t *testing.T) {
	text := read(t, page)
	commands := slices.Sorted(maps.Keys(doctor.Packages("debian")))
	// of the table: the commands of a row, then the packages
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile(
		"(?m)^\\| (`.*`) \\| (.*) \\|$").FindAllStringSubmatch(text, -1) {
		for command := range strings.SplitSeq(m[1], ", ") {
			rows[strings.Trim(command, "`")] = strings.Split(m[2], " | ")
		}
	}
	for _, command := range commands {
		var want []string
		for _, distribution := range doctor.Distributions {
			want = append(want, doctor.Packages(distribution)[command])
		}
		assert.Equal(t, want, rows[command], "%s: the packages of %s", page, command)
	}
	for distribution, install := range map[string]string{
		"debian": "apt-get install",
		"fedora": "dnf install",
		"arch":   "pacman -S --needed", "alpine": "apk add",
	} {
		m := regexp.MustCompile(`(?m)^sudo ` + install +
			` (.*)$`).FindStringSubmatch(text)
		if assert.NotNil(t, m, "%s: %s", page, install) {
			for command, name := range doctor.Packages(distribution) {
				assert.Contains(t, strings.Fields(m[1]), name, "%s: %s, for %s", page,
					install, command)
			}
		}
	}
}
