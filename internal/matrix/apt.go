//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// An archive is a release of Debian for an architecture, as the archive offers it. apt
// keeps lists and packages below dir, and doesn't touch those of the host.
type archive struct {
	suite, arch, dir string
}

// keyring holds the keys of Debian's releases (package debian-archive-keyring).
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// anyAge lets apt use a mirror that lags behind. It checks the signatures all the same.
const anyAge = `Acquire::Check-Valid-Until "false"`

// openArchive fetches the lists of a suite from the mirror that this machine uses. If
// that fails, it uses the lists of an earlier run. The purpose of the packages names the
// directory of the lists.
func openArchive(ctx context.Context, suite, arch, purpose string) (*archive, error) {
	site, err := mirror(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(cacheDir, "apt", suite+"-"+arch+"-"+purpose))
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	a := &archive{suite, arch, dir}
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, site, suite)
	for name, text := range map[string]string{
		"sources.list": sources, "status": "", "apt.conf": anyAge + ";\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := a.apt(ctx, "apt-get", "--error-on=any", "update"); err != nil {
		if lists, _ := filepath.Glob(dir + "/lists/*_Packages*"); lists == nil {
			return nil, fmt.Errorf("%w: the lists of %s: %w", errMissing, suite, err)
		}
		fmt.Printf("no new lists of %s %s, so the old ones are used\n", suite, arch)
	}
	return a, nil
}

// mirror returns the address from which this machine fetches Debian itself: the first
// index whose release has the label Debian.
func mirror(ctx context.Context) (string, error) {
	out, err := output(ctx, ".", "apt-get", "indextargets", "--format",
		"$(SITE)|$(LABEL)|$(COMPONENT)")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errMissing, err)
	}
	for line := range strings.Lines(out) {
		field := strings.Split(strings.TrimSpace(line), "|")
		if len(field) == 3 && field[1] == "Debian" && field[2] == "main" {
			return field[0], nil
		}
	}
	return "", fmt.Errorf("%w: apt has no lists of Debian: apt-get update", errMissing)
}

// apt runs a command of apt in the directory of the downloaded packages.
func (a *archive) apt(
	ctx context.Context, command string, args ...string,
) (string, error) {
	options := []string{
		"-qq", "-c", a.dir + "/apt.conf",
		"-o", "Dir::Etc::SourceList=" + a.dir + "/sources.list",
		"-o", "Dir::Etc::SourceParts=" + a.dir + "/parts",
		"-o", "Dir::State::Lists=" + a.dir + "/lists",
		"-o", "Dir::State::status=" + a.dir + "/status",
		"-o", "Dir::Cache=" + a.dir + "/cache",
		"-o", "APT::Architecture=" + a.arch,
		"-o", "APT::Architectures=" + a.arch,
		"-o", "APT::Sandbox::User=root",
		"-o", "Acquire::Languages=none",
		"-o", "Debug::NoLocking=1",
	}
	// apt-get download writes into the working directory.
	return output(ctx, a.archives(), command, append(options, args...)...)
}

// archives returns the directory of the downloaded packages.
func (a *archive) archives() string { return filepath.Join(a.dir, "cache/archives") }

var dependsLine = regexp.MustCompile(`Depends: (\S+)`)

// depends returns the packages that a package depends on and that match the expression.
func (a *archive) depends(
	ctx context.Context, name string, wanted *regexp.Regexp,
) ([]string, error) {
	out, err := a.apt(ctx, "apt-cache", "depends", "--important", name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range dependsLine.FindAllStringSubmatch(out, -1) {
		if wanted.MatchString(m[1]) {
			names = append(names, m[1])
		}
	}
	return names, nil
}

// download fetches one package, without those that it depends on, and returns the file.
// The name is that of a kernel, so it contains the version, and a file that is there is
// the right one.
func (a *archive) download(ctx context.Context, name string) (string, error) {
	pattern := filepath.Join(a.archives(), name+"_*.deb")
	found, _ := filepath.Glob(pattern)
	if found == nil {
		if _, err := a.apt(ctx, "apt-get", "download", name); err != nil {
			return "", err
		}
		found, _ = filepath.Glob(pattern)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("apt-get downloaded no file %s", pattern)
	}
	return slices.Max(found), nil
}

// downloadAll fetches packages with all that they depend on, and returns the files.
func (a *archive) downloadAll(ctx context.Context, names ...string) ([]string, error) {
	args := []string{"--no-install-recommends", "--download-only", "-y", "install"}
	if _, err := a.apt(ctx, "apt-get", append(args, names...)...); err != nil {
		return nil, err
	}
	return filepath.Glob(a.archives() + "/*.deb")
}
