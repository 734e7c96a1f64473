//go:build linux

package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func noOpenat2(int, string, *unix.OpenHow) (int, error) { return -1, unix.ENOSYS }

// both runs a test with openat2 and with os.Root in its place.
func both(t *testing.T, test func(t *testing.T, open func(dir string) *Root,
	fallback bool),
) {
	t.Helper()
	for name, fallback := range map[string]bool{"openat2": false, "os.Root": true} {
		t.Run(name, func(t *testing.T) {
			calls := systemCalls
			if fallback {
				calls.openat2 = noOpenat2
			}
			test(t, func(dir string) *Root {
				r, err := open(dir, calls, nil)
				require.NoError(t, err)
				t.Cleanup(func() { r.Close() })
				if !fallback && r.fallback != nil {
					t.Skip("NOT TESTED: there is no openat2 on this machine")
				}
				require.Equal(t, fallback, r.fallback != nil)
				return r
			}, fallback)
		})
	}
}

// writers are the ways to make an entry that isn't a directory. Link's needs a file "old"
// in the jail.
var writers = map[string]func(t *testing.T, r *Root, name string) error{
	"copy": func(t *testing.T, r *Root, name string) error {
		_, err := r.Copy(source(t, "new", 0o755), name)
		return err
	},
	"write": func(_ *testing.T, r *Root, name string) error {
		return r.WriteFile(name,
			[]byte("new"), 0o644)
	},
	"symlink": func(_ *testing.T, r *Root,
		name string,
	) error {
		return r.Symlink("new", name)
	},
	"link": func(_ *testing.T, r *Root,
		name string,
	) error {
		return r.Link("old", name)
	},
}

// source opens a new file outside the jail.
func source(t *testing.T, content string, mode fs.FileMode) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "source")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	require.NoError(t, os.Chmod(name, mode))
	return openFile(t, name)
}

// slowly returns the system calls of this machine with a copier before the others. It
// calls a function once, in the middle of the first copying: a file is there under its
// temporary name, and half its content isn't.
func slowly(during func()) calls {
	var once sync.Once
	half := func(dst, src, n int) (int, error) {
		copied, err := unix.Sendfile(dst, src, nil, max(n/2, 1))
		once.Do(during)
		return copied, err
	}
	slow := systemCalls
	slow.copiers = append([]copier{half}, slow.copiers...)
	return slow
}

func openFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// tree lists a directory: a line a file with all that a test compares.
func tree(t *testing.T, dir string) (lines []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry,
		err error,
	) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%q %v %d:%d ino %d links %d mtime %d",
			strings.TrimPrefix(name, dir),
			info.Mode(), s.Uid, s.Gid, s.Ino, s.Nlink, info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
			line += fmt.Sprintf(" %q", data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

// noTemporary asserts that nothing is left behind.
func noTemporary(t *testing.T, dir string) {
	t.Helper()
	for _, line := range tree(t, dir) {
		assert.NotContains(t, line, prefix)
	}
}

func content(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

// shell makes a jail or a host as a script says, in a directory.
func shell(t *testing.T, dir, script string, env ...string) {
	t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// waitFor waits until a temporary name appears.
func waitFor(name string) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if _, err := os.Lstat(name); err == nil {
			return
		}
	}
}

const againEnv = "JAIL_TEST_AGAIN"

// again runs the current test a second time, in a process of its own, and returns true in
// that process. The files are its descriptors 3 and following.
func again(t *testing.T, attr *syscall.SysProcAttr, files ...*os.File) bool {
	t.Helper()
	if os.Getenv(againEnv) != "" {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), againEnv+"=1", "TMPDIR="+shared(t))
	cmd.Dir = "/"
	cmd.SysProcAttr = attr
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("NOT TESTED: a process with other privileges is refused here: %v", err)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("NOT TESTED: %s", out)
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// shared is a directory for temporary files that any user may write to.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "jail")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o1777))
	return dir
}

// plainUser is who isn't root: nobody, unless it is somebody already.
func plainUser() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// mountNamespace is one in which the test may mount. Who isn't root needs a user
// namespace.
func mountNamespace() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{
			ContainerID: 0,
			HostID:      os.Getuid(), Size: 1,
		}},
		GidMappings: []syscall.SysProcIDMap{{
			ContainerID: 0,
			HostID:      os.Getgid(), Size: 1,
		}},
	}
}

// mount mounts in the mount namespace of the test, or skips it.
func mount(t *testing.T, source, dir, fstype string, flags uintptr, data string) {
	t.Helper()
	require.NotEmpty(t, os.Getenv(againEnv))
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount(source, dir, fstype, flags, data)
	}
	if err != nil {
		t.Skipf("mounting on %s is refused here: %v", dir, err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

// setuidSource opens a setuid and setgid file of root, with a capability where it can be
// given one, to be copied by another user. It is nil in the process that again starts.
func setuidSource(t *testing.T) *os.File {
	t.Helper()
	if os.Getenv(againEnv) != "" {
		return os.NewFile(3, "source")
	}
	if os.Geteuid() == 0 {
		src := source(t, "setuid", 0o755|fs.ModeSetuid|fs.ModeSetgid)
		require.NoError(t, os.Chmod(src.Name(), 0o755|fs.ModeSetuid|fs.ModeSetgid))
		setCapability(t, src.Name())
		return src
	}
	for _, name := range []string{"passwd", "su", "mount", "chsh", "newgrp"} {
		info, err := os.Stat("/usr/bin/" + name)
		if err == nil && info.Mode()&fs.ModeSetuid != 0 &&
			info.Sys().(*syscall.Stat_t).Uid == 0 {
			if f, err := os.Open("/usr/bin/" + name); err == nil {
				t.Cleanup(func() { f.Close() })
				return f
			}
		}
	}
	t.Skip("NOT TESTED: this machine has no readable program that is setuid root")
	return nil
}

// capNetBind is CAP_NET_BIND_SERVICE as struct vfs_cap_data of <linux/capability.h>.
const capNetBind = "\x01\x00\x00\x02\x00\x04\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func setCapability(t *testing.T, name string) {
	t.Helper()
	if err := unix.Setxattr(name, "security.capability", []byte(capNetBind),
		0); err != nil {
		t.Skipf("NOT TESTED: a capability can't be set here, even by root: %v", err)
	}
}

func capability(name string) string {
	value := make([]byte, 64)
	n, err := unix.Getxattr(name, "security.capability", value)
	if err != nil {
		return ""
	}
	return string(value[:n])
}
