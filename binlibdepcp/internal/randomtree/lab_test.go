//go:build linux

package randomtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/binlibdepcp/ldso"
	"nsteps/internal/steptest"
)

// A lab is a root directory in which one tree after the other is made. It keeps two
// directories: /proc, which the dynamic linkers ask for $ORIGIN, and /store, with what
// every tree has links to.
type lab struct {
	dir       string
	root      *os.Root
	templates map[string]*template
	cpu       ldso.CPU
	seen      counts // nil to count nothing
}

const ldconfig = "/sbin/ldconfig"

// newLab makes the root directory in a directory of its own, which close removes.
func newLab(templates map[string]*template, cpu ldso.CPU) (*lab, error) {
	dir, err := os.MkdirTemp("", "randomtree")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, templates: templates, cpu: cpu, seen: counts{}}
	if err := unix.Mount("trees", dir, "tmpfs", 0, "mode=755"); err != nil {
		return nil, errors.Join(fmt.Errorf("mount tmpfs: %w", err), os.Remove(dir))
	}
	if err := l.furnish(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) furnish() (err error) {
	for _, name := range []string{"proc", "store"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o755); err != nil {
			return err
		}
	}
	if err := bindProc(l.dir); err != nil {
		return err
	}
	store := map[string]string{"ldconfig": ldconfig}
	for _, a := range abis {
		store["loader-"+a.name] = a.interp
		if a.libc != "" {
			store["libc-"+a.name] = a.libc
		}
	}
	for name, file := range store {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(l.dir, "store", name), b,
			0o755); err != nil {
			return err
		}
	}
	l.root, err = os.OpenRoot(l.dir)
	return err
}

// bindProc gives a root directory the /proc of the host.
func bindProc(root string) error {
	proc := filepath.Join(root, "proc")
	if err := unix.Mount("/proc", proc, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", proc, err)
	}
	return nil
}

func (l *lab) close() error {
	if l.root != nil {
		l.root.Close()
	}
	_ = unix.Unmount(filepath.Join(l.dir, "store/jail/proc"), unix.MNT_DETACH)
	_ = unix.Unmount(filepath.Join(l.dir, "proc"), unix.MNT_DETACH)
	return errors.Join(unix.Unmount(l.dir, unix.MNT_DETACH), os.Remove(l.dir))
}

// build makes the files of a tree, in place of those of the last one.
func (l *lab) build(t *tree) error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "proc" && e.Name() != "store" {
			if err := os.RemoveAll(filepath.Join(l.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for _, n := range t.nodes {
		// A smaller tree may have a file in the place of a directory, and its nodes can't
		// all be made; os.Root keeps them from being made elsewhere.
		if err := l.make(n); err != nil && !errors.Is(err, fs.ErrExist) &&
			!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("make %s: %w", n.path, err)
		}
	}
	if err := l.root.MkdirAll("."+t.start(), 0o755); err != nil {
		return err
	}
	return l.ldconfig(t)
}

// make makes the file of a node.
func (l *lab) make(n *node) error {
	name := n.path[1:]
	if err := l.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch n.kind {
	case "dir":
		return l.root.MkdirAll(name, 0o755)
	case "link":
		return l.root.Symlink(n.value, name)
	case "same":
		return l.root.Link(n.value[1:], name)
	case "loader", "libc":
		return l.root.Link("store/"+n.kind+"-"+n.value, name)
	case "text":
		return l.root.WriteFile(name, []byte(n.value+"\n"), 0o755)
	case "socket":
		s, err := net.Listen("unix", l.dir+n.path)
		if err != nil {
			return err
		}
		s.(*net.UnixListener).SetUnlinkOnClose(false)
		return s.Close()
	}
	b, err := l.templates[n.kind+findABI(n.value).flag].object(n)
	if err != nil {
		return err
	}
	// A child that is being started must not hold the program open: "text file busy".
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// ldconfig makes the ld.so.cache of a tree, and removes what was there for that only.
func (l *lab) ldconfig(t *tree) error {
	if conf := values(t.attributes, "CONF"); conf != nil {
		if err := l.root.MkdirAll("etc", 0o755); err != nil {
			return err
		}
		text := strings.Join(conf, "\n") + "\n"
		if err := l.root.WriteFile("etc/ld.so.conf", []byte(text), 0o644); err != nil {
			return err
		}
		if _, err := run(l.dir, "/", nil, "/store/ldconfig", "-i"); err != nil {
			return err
		}
	}
	for _, n := range t.nodes {
		if has(n.attributes, "GONE") {
			_ = l.root.Remove(n.path[1:]) // which may not have been made
		}
	}
	return nil
}

// A result is what a program printed and how it ended.
type result struct {
	out, errors string
	status      int // -1 if a signal has killed it, as it does after 5 seconds
}

// runIn starts a program of a tree, in a directory with the tree or with a part of it.
func (l *lab) runIn(root string, t *tree, program *node, env ...string) (result, error) {
	env = append(env, "LD_LIBRARY_PATH="+value(t.attributes, "LIBRARY_PATH"))
	return run(root, t.start(), env, program.path)
}

// run runs a program with another root directory.
func run(root, dir string, env []string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append([]string{"LC_ALL=C"}, env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return result{}, fmt.Errorf("run %s: %w", args[0], err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}, nil
}

// copy makes a jail for a program with binlibdepcp. It returns the jail, and what the
// command printed and how it ended.
func (l *lab) copy(t *tree, program *node) (jail, note string, status int, err error) {
	jail = filepath.Join(l.dir, "store", "jail")
	_ = unix.Unmount(filepath.Join(jail, "proc"), unix.MNT_DETACH) // of the last one
	if err := os.RemoveAll(jail); err != nil {
		return "", "", 0, err
	}
	cmd := exec.Command(steptest.Bin("binlibdepcp"), "-q", "--with", "dlopen",
		"--root", l.dir,
		"--library-path", value(t.attributes, "LIBRARY_PATH"), program.path, jail)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return "", "", 0, err
	}
	for _, dir := range []string{"proc", t.start()} {
		if err := os.MkdirAll(filepath.Join(jail, dir), 0o755); err != nil {
			return "", "", 0, err
		}
	}
	return jail, string(out), cmd.ProcessState.ExitCode(), bindProc(jail)
}
