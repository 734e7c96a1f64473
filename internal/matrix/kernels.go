//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A guest is a kernel on an architecture.
type guest struct {
	kernel, arch string
	suite        string // Debian's release with that kernel
	inCI         bool   // CI has the time for it
}

func (g guest) String() string { return g.kernel + " " + g.arch }

// guests are the kernels that `make matrix` boots: the oldest that nsteps supports, those
// of Debian's releases since, and the newest.
var guests = []guest{
	{"5.10", "amd64", "bullseye", true},
	{"6.1", "amd64", "bookworm", false},
	{"6.12", "amd64", "trixie", false},
	{"newest", "amd64", "sid", true},
	{"5.10", "arm64", "bullseye", true},
	{"newest", "arm64", "sid", false},
}

func findGuest(kernel, arch string) (guest, error) {
	var names []string
	for _, g := range guests {
		if g.kernel == kernel && g.arch == arch {
			return g, nil
		}
		names = append(names, g.String())
	}
	return guest{}, fmt.Errorf("there is no guest %s %s; there are: %s", kernel, arch,
		strings.Join(names, ", "))
}

// A kernel is what a guest needs of Debian's packages of a kernel: the image, and an
// archive with modules, which the initial root file system is to hold.
type kernel struct{ image, modules string }

// kernelPackage matches the packages that hold the image and the modules. Since Linux 7.2
// linux-image has neither, and depends on the packages that do.
var kernelPackage = regexp.MustCompile(`^linux-(image|binary|modules)-\d`)

// modules are for tests that make network interfaces and overlays, in the order in which
// they need each other.
var modules = []string{"llc", "stp", "bridge", "overlay", "tun", "veth"}

// fetchKernel brings the kernel of Debian's cloud images, which is small and has all
// namespaces.
func (g guest) fetchKernel(ctx context.Context) (k kernel, err error) {
	a, err := openArchive(ctx, g.suite, g.arch, "kernel")
	if err != nil {
		return k, err
	}
	names, err := a.depends(ctx, "linux-image-cloud-"+g.arch, kernelPackage)
	if err != nil {
		return k, fmt.Errorf("%w: the kernel of %s: %w", errMissing, g.suite, err)
	}
	if len(names) == 0 {
		return k, fmt.Errorf("%w: %s has no kernel for %s", errMissing, g.suite, g.arch)
	}
	more, err := a.depends(ctx, names[0], kernelPackage)
	if err != nil {
		return k, err
	}
	dir := filepath.Join(a.dir, names[0])
	k = kernel{filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "modules.cpio")}
	if _, err := os.Stat(k.modules); err == nil {
		return k, nil
	}
	wanted := []string{
		"--wildcards", "--transform=s,.*/,,", "--transform=s,^vmlinuz.*,vmlinuz,", "*/vmlinuz*",
	}
	for _, module := range modules {
		wanted = append(wanted, "*/"+module+".ko*")
	}
	for _, name := range append(more, names[0]) {
		deb, err := a.download(ctx, name)
		if err != nil {
			return k, fmt.Errorf("%w: %w", errMissing, err)
		}
		// Each package has some of these files, and tar fails for the others.
		_ = unpack(ctx, deb, dir, wanted...)
	}
	if _, err := os.Stat(k.image); err != nil {
		return k, fmt.Errorf("no vmlinuz in the packages of %s: %w", names[0], err)
	}
	const create = `mkdir -p root/modules && echo "$@" >root/modules/list &&
		mv *.ko* root/modules/ && cd root &&
		find . | cpio --create --format=newc --owner=0:0 --quiet >../partial &&
		mv ../partial ../modules.cpio`
	_, err = output(ctx, dir, "sh", append([]string{"-c", create, "sh"}, modules...)...)
	return k, err
}

// unpack extracts files of a Debian package.
func unpack(ctx context.Context, deb, dir string, tarArgs ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	dpkg := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	tar := exec.CommandContext(ctx, "tar", append([]string{"-x", "-C", dir}, tarArgs...)...)
	var err error
	if tar.Stdin, err = dpkg.StdoutPipe(); err != nil {
		return err
	}
	if err := dpkg.Start(); err != nil {
		return err
	}
	if err := tar.Run(); err != nil {
		_ = dpkg.Wait()
		return fmt.Errorf("unpack %s: tar: %w", deb, err)
	}
	return dpkg.Wait()
}

// fetchTree unpacks a small userland of another architecture. None of its programs run
// here, so the packages stay unconfigured.
func fetchTree(ctx context.Context, suite, arch string) (string, error) {
	a, err := openArchive(ctx, suite, arch, "tree")
	if err != nil {
		return "", err
	}
	tree, packages := filepath.Join(a.dir, "tree"), toolPackages()
	if isComplete(tree, packages) {
		return tree, nil
	}
	if err := os.RemoveAll(tree); err != nil {
		return "", err
	}
	debs, err := a.downloadAll(ctx, packages...)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errMissing, err)
	}
	for _, deb := range debs {
		if err := unpack(ctx, deb, tree, "--keep-directory-symlink",
			"--exclude=./usr/share/doc", "--exclude=./usr/share/man",
			"--exclude=./usr/share/locale"); err != nil {
			return "", err
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib"} {
		if _, err := os.Lstat(tree + "/" + dir); err != nil {
			if err := os.Symlink("usr/"+dir, tree+"/"+dir); err != nil {
				return "", err
			}
		}
	}
	return tree, setComplete(tree, packages)
}

// isComplete says that a tree has all packages: an earlier run wrote their names there.
func isComplete(tree string, packages []string) bool {
	text, err := os.ReadFile(tree + "/complete")
	return err == nil && string(text) == strings.Join(packages, "\n")
}

func setComplete(tree string, packages []string) error {
	text := []byte(strings.Join(packages, "\n"))
	return os.WriteFile(tree+"/complete", text, 0o644)
}
