//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"nsteps/workshop/doctor"
)

//go:embed init.sh
var initScript string

// helpers are programs that tests execute besides those that `make build` builds.
var helpers = []string{
	"internal/steptest/jailed", "internal/steptest/beyond",
	"workshop/doctor/testdata/workshop", "internal/steptest/filter",
	"docs/solution/mycontainer",
}

// tools are the commands of a guest besides those that the chapters use: what init.sh and
// the tests execute.
const tools = `awk basename cat chgrp chmod chown cmp cp crun cut dash date dd df
	diff dirname echo env expr false find flock getent grep head id insmod
	install kill ldd ln ls lsns md5sum mkdir mkfifo mknod mktemp mv nice
	nohup perl pidof ping pkill prlimit printf pwd readlink realpath
	renice rm rmdir runc script sed seq setsid sh sleep sort stat stdbuf
	stty su switch_root sync sysctl tail taskset tee test timeout touch tr
	true truncate tty uname uniq uptime wc which xargs yes`

// guestTools returns all commands of a guest.
func guestTools() []string {
	names := slices.Collect(maps.Keys(doctor.Packages("debian")))
	return slices.Sorted(slices.Values(append(names, strings.Fields(tools)...)))
}

// toolPackages returns Debian's packages of these commands.
func toolPackages() []string {
	names := slices.Collect(maps.Values(doctor.Packages("debian")))
	names = append(names, "bsdutils", "crun", "dash", "debianutils", "diffutils",
		"findutils", "grep", "iputils-ping", "kmod", "libc-bin", "login", "mawk",
		"perl-base", "runc", "sed")
	slices.Sort(names)
	return slices.Compact(names)
}

// helperPrograms are the helpers, and those of the tests of the steps beyond 6.
func helperPrograms() []string {
	programs := slices.Clone(helpers)
	files, _ := filepath.Glob("beyond/*/testdata/*/main.go")
	for _, file := range files {
		programs = append(programs, filepath.Dir(file))
	}
	return programs
}

// noGo takes the place of the go command, which workshop doctor looks for because the
// chapters build a program on the host. The guests don't, and Go is larger than all the
// rest of a guest.
const noGo = "#!/bin/sh\n[ \"$1\" = version ] && echo 'no go: this is a guest'\n"

// A payload is what all guests of an architecture have in common, as files below a
// directory: the programs, the sources and the compiled tests.
type payload struct {
	arch, dir string
	tree      string // the userland that fills the guest: / or an unpacked one
}

// pack builds everything that the guests of an architecture run, below a new directory,
// and returns the initramfs.
func pack(
	ctx context.Context, dir, arch string, checks []check,
) (initrd string, err error) {
	p := &payload{arch: arch, dir: filepath.Join(dir, "root-"+arch), tree: "/"}
	native, err := output(ctx, ".", "dpkg", "--print-architecture")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errMissing, err)
	}
	if strings.TrimSpace(native) != arch {
		if p.tree, err = fetchTree(ctx, "bookworm", arch); err != nil {
			return "", err
		}
	}
	if err := p.build(ctx, checks); err != nil {
		return "", err
	}
	if err := p.fill(ctx); err != nil {
		return "", err
	}
	if err := p.furnish(); err != nil {
		return "", err
	}
	initrd = filepath.Join(dir, "initrd-"+arch)
	return initrd, archiveRoot(ctx, p.dir, initrd, "--owner=0:0")
}

// archiveRoot writes a directory as an initramfs.
func archiveRoot(ctx context.Context, dir, file string, options ...string) error {
	const create = `file=$1; shift
		find . | cpio --create --format=newc --quiet "$@" >"$file"`
	args := append([]string{"-c", create, "sh", file}, options...)
	_, err := output(ctx, dir, "sh", args...)
	return err
}

// build compiles for the guest, and writes the script of the checks. The tests find their
// testdata in a copy of the sources.
func (p *payload) build(ctx context.Context, checks []check) error {
	src, bin := filepath.Join(p.dir, "src"), filepath.Join(p.dir, "opt/nsteps")
	if err := os.MkdirAll(src, 0o755); err != nil {
		return err
	}
	if err := copySources(ctx, src); err != nil {
		return err
	}
	if err := p.compile(ctx, "make", "-s", "build", "BIN="+bin); err != nil {
		return err
	}
	for _, helper := range helperPrograms() { // steptest knows these names
		file := filepath.Join(bin, strings.ReplaceAll(helper, "/", "-"))
		if err := p.compile(ctx, "go", "build", "-o", file, "./"+helper); err != nil {
			return err
		}
	}
	for _, c := range checks {
		file := filepath.Join(src, c.dir, "check.test")
		if _, err := os.Stat(file); err == nil {
			continue // another check has the same package
		}
		if err := p.compile(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", file,
			"./"+c.dir); err != nil {
			return err
		}
	}
	return os.WriteFile(p.dir+"/checks", []byte(script(checks)), 0o644)
}

// copySources copies the files that git knows, as they are in the work tree.
func copySources(ctx context.Context, dir string) error {
	_, err := output(ctx, ".", "sh", "-c", `git ls-files -z |
		tar --null --files-from=- --create | tar --extract --directory="$1"`, "sh", dir)
	return err
}

func (p *payload) compile(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+p.arch)
	_, err := outputOf(cmd, ".")
	return err
}

// fill has binlibdepcp bring the tools and their libraries, and the modules of perl. It
// runs on this machine, so it is built for this machine.
func (p *payload) fill(ctx context.Context) error {
	self := filepath.Join(filepath.Dir(p.dir), "binlibdepcp")
	if _, err := output(ctx, ".", "go", "build", "-o", self, "./binlibdepcp"); err != nil {
		return err
	}
	args := []string{"-q", "--root", p.tree}
	modules, _ := filepath.Glob(p.tree + "/usr/lib/*/perl-base")
	for _, dir := range modules {
		args = append(args, "--also", "/"+strings.TrimPrefix(dir, p.tree))
	}
	for _, tool := range guestTools() {
		for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"} {
			if _, err := os.Lstat(p.tree + dir + tool); err == nil {
				args = append(args, dir+tool)
				break
			}
		}
	}
	if _, err := output(ctx, ".", self, append(args, p.dir)...); err != nil {
		return err
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		_, missing := os.Lstat(filepath.Join(p.dir, dir))
		if _, err := os.Stat(filepath.Join(p.dir, "usr", dir)); missing != nil && err == nil {
			if err := os.Symlink("usr/"+dir, filepath.Join(p.dir, dir)); err != nil {
				return err
			}
		}
	}
	return nil
}

// furnish writes the files that programs read.
func (p *payload) furnish() error {
	return p.write(map[string]string{
		"init": initScript,
		"etc/passwd": "root:x:0:0::/root:/bin/bash\n" +
			"tester:x:1000:1000::/home/tester:/bin/bash\n" +
			"nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
		"etc/group":         "root:x:0:\ntty:x:5:\ntester:x:1000:\nnogroup:x:65534:\n",
		"etc/hosts":         "127.0.0.1 localhost guest\n",
		"etc/os-release":    "ID=debian\n",
		"root/.keep":        "",
		"mnt/.keep":         "",
		"home/tester/.keep": "",
		"usr/local/bin/go":  noGo,
	})
}

// write writes files, given by their names in the guest, with their directories.
func (p *payload) write(files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}
