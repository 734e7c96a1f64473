//go:build linux

package cause

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
)

const self = "bin/step6-chroot -c 'my jail' ls"

// root is the root of a machine, with a jail.
func root(changes ...func(*Facts)) *Facts {
	f := &Facts{
		Args:     []string{"bin/step6-chroot", "-c", "my jail", "ls"},
		Jail:     "my jail",
		SysAdmin: true, OpenFiles: 7, Limits: map[string]string{
			"pid": "96365",
			"mnt": "0", "net": "0",
		},
	}
	for _, change := range changes {
		change(f)
	}
	return f
}

func user(f *Facts)    { f.UID, f.SysAdmin = 1000, false }
func noAdmin(f *Facts) { f.SysAdmin = false }
func in(kind string) func(*Facts) {
	return func(f *Facts) { f.Container, f.Unit = kind, "box.service" }
}
func filter(f *Facts)  { f.Seccomp = true }
func bounded(f *Facts) { f.Bounded = true }
func inDir(f *Facts)   { f.InChroot = true }
func noID(f *Facts)    { f.UserNS, f.Unmapped = true, true }
func under(program string) func(*Facts) {
	return func(f *Facts) { f.Below = program }
}

func version1(f *Facts) {
	f.controllers = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n" +
		"cpu\t1\t4\t1\ncpuacct\t1\t4\t1\npids\t2\t4\t1\nmemory\t0\t4\t1\n"
}

const dump = "to see more: setpriv --dump"

// explained are failures, with what is said about them: all that the package can say.
var explained = []struct {
	operation, object string
	errno             syscall.Errno
	facts             *Facts
	id, want          string // what is printed, or a part of it
}{
	{"mmap", "memory of the child", unix.ENOMEM, root(), "memory", "ulimit -v unlimited"},
	{"lock", "/proc/self/ns/ipc", unix.EAGAIN, root(), "locked", "lslocks"},
	{"clone", "CLONE_NEWPID", unix.EPERM, root(user), "root", "be root: sudo " + self +
		"\nor root in a user namespace: unshare --user --map-root-user " + self},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin), "capability",
		"root lacks CAP_SYS_ADMIN here; root of a user namespace may have it: " +
			"unshare --user --map-root-user " + self,
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(noAdmin, func(f *Facts) { f.Refused = true }), "capability",
		"root lacks CAP_SYS_ADMIN here; this is not a known kind of container; " +
			"to see more: setpriv --dump",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(user, func(f *Facts) { f.Bounded = true }, in("docker")),
		"capability", "docker run --privileged",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, in("docker")), "capability",
		"root lacks CAP_SYS_ADMIN here; start the container with: docker run " +
			"--privileged",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, in("podman")), "capability",
		"start the container with: podman run --privileged",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, in("lxc")), "capability",
		"allow it on the host of the container: lxc config set NAME " +
			"security.nesting=true",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(noAdmin, in("systemd-nspawn")), "capability",
		"start the container with: systemd-nspawn --capability=all " +
			"--system-call-filter=@mount",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(noAdmin, in("kubernetes")), "capability",
		"start a pod with more privileges: kubectl debug -it POD --image=IMAGE " +
			"--profile=sysadmin",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, in("service")), "capability",
		"the unit may restrict it with CapabilityBoundingSet=: systemctl edit " +
			"box.service",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(filter, in("service")), "seccomp",
		"with RestrictNamespaces= and SystemCallFilter=: systemctl edit box.service",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(filter), "seccomp",
		"grep Seccomp /proc/self/status",
	},
	{
		"clone", "CLONE_NEWPID", unix.ENOSYS, root(filter, in("docker")), "seccomp",
		"docker run --security-opt seccomp=unconfined",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(func(f *Facts) { f.UserNS, f.AppArmor = true, true }),
		"apparmor", "AppArmor restricts the user namespaces of plain users; allow " +
			"them: " +
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\nor be " +
			"root: sudo " + self,
	},
	{
		"clone", "CLONE_NEWUSER", unix.EACCES,
		root(user, func(f *Facts) { f.AppArmor = true }), "apparmor", "",
	},
	{
		"clone", "CLONE_NEWPID", unix.EACCES, root(), "lsm",
		"a security module such as AppArmor or " +
			"SELinux forbids it; this is not a known kind of container; to see more: " +
			"dmesg | grep -iE 'apparmor|avc'",
	},
	{
		"clone", "CLONE_NEWPID", unix.EACCES, root(in("podman")), "lsm",
		"podman run --security-opt label=disable",
	},
	{
		"clone", "CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWNET", unix.ENOSPC, root(), "limit",
		"not the disk: user.max_mnt_namespaces, user.max_net_namespaces are 0: " +
			"sysctl -w user.max_mnt_namespaces=10000 user.max_net_namespaces=10000",
	},
	{
		"clone", "CLONE_NEWPID", unix.ENOSPC, root(user), "limit",
		"not the disk: user.max_pid_namespaces " +
			"is reached, here or in an outer user namespace, or 32 of these are nested " +
			"(see namespaces(7)); raise it: sudo sysctl -w user.max_pid_namespaces=10000",
	},
	{
		"clone", "CLONE_NEWUSER", unix.EUSERS, root(user), "limit",
		"user.max_user_namespaces",
	},
	{"clone", "CLONE_NEWPID", unix.EINVAL, root(), "kernel", "ls /proc/self/ns"},
	{
		"clone", "child", unix.EINVAL,
		root(func(f *Facts) { f.Emulator = "qemu-aarch64" }), "emulator",
		"qemu-aarch64 emulates another processor and can't make namespaces; " +
			"build the programs for this machine: make clean build",
	},
	{
		"clone", "CLONE_NEWPID", unix.EINVAL,
		root(func(f *Facts) { f.WSL = "my Ubuntu" }), "wsl1",
		"wsl.exe --set-version 'my Ubuntu' 2",
	},
	{
		"clone", "child", unix.EAGAIN, root(user), "processes",
		"sudo prlimit --pid $$ --nproc=unlimited",
	},
	{
		"clone", "child", unix.EAGAIN,
		root(func(f *Facts) { f.PIDs = "/sys/pids.max" }), "pids",
		"echo max | tee /sys/pids.max",
	},
	{
		"clone", "child", unix.EAGAIN,
		root(in("docker"), func(f *Facts) { f.PIDs = "/sys/pids.max" }), "pids",
		"docker run --pids-limit -1",
	},
	{
		"clone", "child", unix.EAGAIN, root(user, in("service"),
			func(f *Facts) { f.PIDs = "/sys/pids.max" }),
		"pids", "sudo systemctl set-property box.service TasksMax=infinity",
	},
	{
		"clone", "CLONE_NEWPID", unix.EMFILE, root(), "files",
		"the limit RLIMIT_NOFILE allows only 7 open files: prlimit --pid $$ " +
			"--nofile=1024",
	},
	{"socketpair", "for the child", unix.EMFILE, root(), "files", ""},
	{"write limit", "/sys/pids.max", unix.EMFILE, root(), "files", ""},
	{"mkdir", "/run", unix.EMFILE, root(), "files", ""},
	{"clone", "CLONE_NEWUSER", unix.EINVAL, root(user), "kernel-user", "sudo " + self},
	{
		"clone", "CLONE_NEWUSER", unix.EPERM,
		root(user, func(f *Facts) { f.NoClone = true }), "userns-clone",
		"sudo sysctl -w kernel.unprivileged_userns_clone=1",
	},
	{
		"clone", "CLONE_NEWUSER", unix.EPERM,
		root(user, func(f *Facts) { f.InChroot = true }), "chroot-user", "exit",
	},
	{"clone", "CLONE_NEWUSER", unix.EPERM, root(user, filter), "seccomp", ""},
	{"clone", "CLONE_NEWUSER|CLONE_NEWNET", unix.EPERM, root(user, filter), "seccomp", ""},
	{"clone", "CLONE_NEWUSER|CLONE_NEWNET", unix.EINVAL, root(user), "kernel", ""},
	{
		"clone", "CLONE_NEWUSER", unix.EPERM,
		root(user, filter, func(f *Facts) { f.AppArmor = true }), "apparmor", "",
	},
	{"clone", "CLONE_NEWUSER", unix.EPERM, root(user), "privilege", "sudo " + self},
	// Root may make a user namespace without a capability, but not everywhere.
	{
		"clone", "CLONE_NEWUSER", unix.EPERM, root(), "user-refused",
		"no process in a chroot may make a user namespace (see clone(2)), and a security " +
			"module may forbid it elsewhere; to see more: dmesg | grep -iE 'apparmor|avc'",
	},
	{"clone", "CLONE_NEWUSER", unix.EPERM, root(noAdmin), "user-refused", ""},
	{"unshare", "CLONE_NEWUSER", unix.EPERM, root(inDir), "chroot-user", "exit"},
	{
		"clone", "CLONE_NEWUSER", unix.EPERM,
		root(func(f *Facts) { f.NoClone = true }), "user-refused", "",
	},
	{
		"clone", "CLONE_NEWUSER", unix.EPERM, // in a container of this suite on Ubuntu
		root(noAdmin, filter, func(f *Facts) { f.AppArmor = true }), "seccomp", "",
	},
	// No user namespace helps where none can be made.
	{"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, filter), "capability", dump},
	{"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, inDir), "capability", dump},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(noAdmin, func(f *Facts) { f.Limits["user"] = "0" }), "capability", dump,
	},
	{"clone", "CLONE_NEWPID", unix.EPERM, root(user, inDir), "root", "sudo " + self},
	// What a program of this suite has taken away.
	{
		"bind mount", "/proc/bus", unix.EPERM,
		root(filter, in("docker"), func(f *Facts) { f.OwnFilter = true }), "own-filter",
		"the seccomp filter that this program has just installed forbids it",
	},
	{
		"setns", "CLONE_NEWNET of 7", unix.EPERM,
		root(filter, in("docker"), under("step14-seccomp")), "below",
		"the seccomp filter of step14-seccomp forbids it; type the command outside of " +
			"step14-seccomp",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(noAdmin, bounded, under("step13-caps")),
		"below",
		"step13-caps has taken CAP_SYS_ADMIN away; type the command outside of step13-caps",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM, root(filter, under("step13-caps")),
		"seccomp", "a seccomp filter forbids it",
	},
	{
		"clone", "CLONE_NEWUSER", unix.EPERM,
		root(noAdmin, bounded, under("step13-caps")), "user-refused", "",
	},
	{
		"clone", "CLONE_NEWPID", unix.EPERM,
		root(user, filter, func(f *Facts) { f.NoSudo = true }), "seccomp", "",
	},
	// A user without an ID has no privileges in a user namespace.
	{"clone", "CLONE_NEWPID", unix.EPERM, root(user, noID), "unmapped", ": exit"},
	{"clone", "CLONE_NEWUSER", unix.EPERM, root(user, noID), "unmapped", ": exit"},
	{"clone", "CLONE_NEWUSER", unix.EPERM, root(noID), "unmapped", ": exit"},
	{"unshare", "CLONE_NEWTIME", unix.EPERM, root(user, noID), "unmapped", ": exit"},
	{"drop capability", "2", unix.EPERM, root(user, noID), "unmapped", ": exit"},
	{"make cgroup", "/sys/a", unix.EACCES, root(user, noID), "unmapped", ": exit"},
	{"mq_unlink", "/q", unix.EPERM, root(user, noID), "queue-owner", ""},

	{
		"re-execute", "/proc/self/exe", unix.ENOENT, root(user), "no-proc",
		"sudo mount -t proc proc /proc",
	},
	{
		"open", "/proc/self/cgroup", unix.ENOENT,
		root(func(f *Facts) { f.NoProc = true }), "no-proc",
		"/proc is not mounted, and the program needs it: mount -t proc proc /proc",
	},
	{"open", "/proc/self/cgroup", unix.ENOENT, root(), "", ""},
	{"open", "img", unix.ENOENT, root(func(f *Facts) { f.NoProc = true }), "", ""},
	{
		"open", "/proc/4/setgroups", unix.EROFS, root(user), "proc-read-only",
		"sudo mount -o remount,rw /proc",
	},
	{"re-execute", "/proc/self/exe", unix.E2BIG, root(), "environment", "env -i " + self},
	{
		"find cgroup of", "pids", unix.ENOENT, root(user), "cgroup-mount",
		"sudo mount -t cgroup2 none /",
	},
	{
		"find cgroup of", "cpu", unix.ENOENT, root(user, version1), "cgroup-mount",
		"sudo mount -t cgroup -o cpu,cpuacct none /",
	},
	{
		"find cgroup of", "memory", unix.ENOENT, root(version1), "cgroup-mount",
		"mount -t cgroup2 none /",
	},
	{
		"find cgroup of", "pids", unix.ENOENT,
		root(func(f *Facts) { f.cgroups = "8:pids:/..\n1:cpu:/\n0::/\n" }),
		"cgroup-outside", "this process is outside of its CGROUP namespace",
	},
	{
		"make cgroup", "/sys/fs/cgroup/run", unix.EROFS, root(), "cgroup-read-only",
		"docker run --privileged",
	},
	{
		"make mounts private below", "/", unix.EINVAL, root(), "chroot",
		"mount --bind DIR DIR",
	},
	{"mount proc on", "/proc", unix.EPERM, root(user), "root", "be root: sudo "},
	{
		"mount proc on", "/proc", unix.EPERM, root(), "masked-proc",
		"mounts hide parts of /proc, and a " +
			"new proc would show them; this is not a known kind of container; to see " +
			"more: findmnt -R /proc",
	},
	{
		"mount proc on", "/proc", unix.EPERM,
		root(in("docker"), func(f *Facts) { f.Masked = []string{"/proc/\x1b[31m"} }),
		"masked-proc",
		`mounts hide parts of /proc (/proc/\x1b[31m), and a new proc would show them; ` +
			"start the container with: docker run --security-opt systempaths=unconfined",
	},

	{
		"chroot", "my jail", unix.ENOENT, root(), "no-jail",
		"make the jail: bin/binlibdepcp /bin/sh 'my jail'",
	},
	{
		"chroot", "my jail", unix.ENOENT,
		root(func(f *Facts) { f.Args = []string{"step6-chroot"} }), "no-jail",
		"make the jail: binlibdepcp /bin/sh 'my jail'",
	},
	{
		"chroot", "my jail", unix.ENOTDIR, root(), "no-directory",
		"-c needs a directory: bin/step6-chroot -c jail sh",
	},
	{"chroot", `""`, unix.ENOENT, root(), "no-directory", "-c needs a directory: "},
	{"chroot", "my jail", unix.EACCES, root(), "way", "namei -l 'my jail'"},
	{
		"chroot", "-m", unix.ENOENT, root(), "order",
		"an option with a value comes last: bin/step6-chroot -pmc jail sh",
	},
	{
		"mkdir", "/proc", unix.EPERM,
		root(user, func(f *Facts) { f.Immutable = true }), "immutable",
		"sudo chattr -i 'my jail'",
	},
	{
		"mkdir", "/proc", unix.EPERM, root(), "no-new-directories",
		"the file system of the jail takes no new directories",
	},
	{"mkdir", "/proc", unix.ENOENT, root(), "no-new-directories", ""},
	{"mkdir", "/proc", unix.EACCES, root(user), "owner", "belongs to another user"},
	{"mkdir", "/proc", unix.EROFS, root(), "read-only", "in another place"},

	{
		"mq_open", "/q", unix.EMFILE, root(user), "queue-bytes",
		"sudo prlimit --pid $$ --msgqueue=819200",
	},
	{
		"mq_open", "/q", unix.EMFILE,
		root(user, func(f *Facts) { f.QueuesMaximum = 819200 }), "queue-bytes",
		"raise it: prlimit --pid $$ --msgqueue=819200\nor remove queues: rm " +
			"/dev/mqueue/NAME",
	},
	{
		"mq_open", "/q", unix.EMFILE,
		root(func(f *Facts) { f.Queues = 819200 }), "queue-bytes",
		"here 819200, and other queues may use a part of it; raise it: prlimit --pid " +
			"$$ --msgqueue=unlimited",
	},
	{
		"mq_open", "/q", unix.ENOSPC, root(), "queue-number",
		"sysctl -w fs.mqueue.queues_max=1024",
	},
	{
		"mq_open", "/q", unix.EINVAL, root(), "queue-size",
		"sysctl -w fs.mqueue.msg_max=10",
	},
	{"mq_open", "/q", unix.ENOSYS, root(), "kernel-mqueue", "uname -r"},
	{"mq_open", "/q", unix.ENOSYS, root(filter), "seccomp", ""},
	{
		"mq_unlink", "/q", unix.EPERM, root(user), "queue-owner",
		"sudo sh -c 'mount -t mqueue none /mnt; rm /mnt/q; umount /mnt'",
	},

	{
		"exec", "ls", unix.ENOENT, root(), "no-command",
		"the command isn't in the jail: bin/binlibdepcp ls 'my jail'",
	},
	{
		"exec", "ls", unix.ENOENT, root(func(f *Facts) { f.Jail = "" }), "no-command",
		"there is no such program in " + cmdline.Path +
			"; for a program elsewhere, give its path; for a shell builtin, use: sh -c " +
			"'...'",
	},
	{"exec", `""`, unix.ENOENT, root(), "empty-command", "the command is an empty word; "},
	{"exec", "/nonesuch/ls", unix.ENOENT, root(func(f *Facts) { f.Jail = "" }), "", ""},
	{
		"exec", "testdata/SELF", unix.ENOENT, root(func(f *Facts) { f.Jail = "" }),
		"no-interpreter",
		"the file is there, but its #! interpreter /nonesuch/SUDO isn't",
	},
	{
		"exec", "testdata/SELF", unix.ENOENT, root(), "no-interpreter",
		"the file is there, but its #! interpreter /nonesuch/SUDO isn't in the jail: " +
			"bin/binlibdepcp /nonesuch/SUDO 'my jail'",
	},
	{"exec", "/etc", unix.EACCES, root(), "directory", "it is a directory"},
	{
		"exec", "testdata/SELF", unix.EACCES,
		root(func(f *Facts) { f.Jail = "" }), "mode",
		"it isn't executable: chmod +x testdata/SELF",
	},
	{"exec", "/proc/self/exe", unix.EACCES, root(), "", ""},
	{
		"exec", "x", unix.ENOEXEC, root(), "format",
		"its first line must be like #!/bin/sh",
	},
	{"exec", "ls", unix.EIO, root(), "", ""},
}

func TestExplain(t *testing.T) {
	for _, test := range explained {
		c := test.facts.Explain(test.operation, test.object, test.errno)
		at := test.operation + " " + test.object + ": " + test.errno.Error()
		assert.Equal(t, test.id, c.ID, at)
		assert.Contains(t, c.String(), test.want, at)
	}
	// On /proc nothing is executed.
	c := root().Explain("exec", "/proc/1/environ", unix.EACCES)
	assert.Equal(t, "mode", c.ID)
	// In a jail, an absolute link leads to a file of the jail.
	target, err := filepath.Abs("testdata/SELF")
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(target, link))
	c = root(func(f *Facts) { f.Jail = "jail" }).Explain("exec", link, unix.EACCES)
	assert.Equal(t, "chmod +x "+cmdline.Quote("jail"+target), c.Command)
}

// A program's own hints come first.
func TestOwn(t *testing.T) {
	own := []Hint{{
		Operations: "join|move", Errno: unix.ENOENT,
		Cause: Cause{ID: "own", Text: "SUDO", Command: "ls OBJECT"},
	}}
	assert.Equal(t, "sudo : ls 'a b'", root(user).Explain("move", "a b", unix.ENOENT,
		own...).String())
	assert.Zero(t, root().Explain("move", "a b", unix.EIO, own...))
	assert.Zero(t, root().Explain("mov", "a b", unix.ENOENT, own...))
}

// Each cause that the sources name can be reached: the table above reaches it.
func TestReachable(t *testing.T) {
	reached := []string{"noexec"} // by TestNoexec of steptest: it needs such a mount
	for _, test := range explained {
		reached = append(reached, test.id)
	}
	all := slices.Concat(first, hints)
	for i, h := range all {
		met := slices.ContainsFunc(explained, func(e struct {
			operation, object string
			errno             syscall.Errno
			facts             *Facts
			id, want          string
		},
		) bool {
			found := slices.IndexFunc(all,
				func(h Hint) bool {
					return h.fits(e.facts, e.operation,
						e.object, e.errno)
				})
			return found == i
		})
		assert.True(t, met || h.Cause.ID == "noexec", "hint %d, of %q, can't be reached",
			i, h.Operations)
	}
	for _, id := range ids(t) {
		assert.Contains(t, reached, id, "no failure has this cause")
	}
}

// ids returns the IDs in the sources: those of literals of Cause and need.
func ids(t *testing.T) (found []string) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil,
			parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || len(literal.Elts) == 0 {
				return true
			}
			if name, ok := literal.Type.(*ast.Ident); !ok || name.Name != "Cause" &&
				name.Name != "need" {
				return true
			}
			first := literal.Elts[0]
			if pair, ok := first.(*ast.KeyValueExpr); ok {
				first = pair.Value
			}
			if text, ok := first.(*ast.BasicLit); ok {
				id, err := strconv.Unquote(text.Value)
				require.NoError(t, err)
				found = append(found, id)
			}
			return true
		})
	}
	require.Greater(t, len(found), 30)
	return found
}

// Every operation is one that a program reports: in a call of Failed, or by
// os.MkdirAll.
func TestOperations(t *testing.T) {
	reported := []string{"mkdir"}
	for _, pattern := range []string{
		"../../common/*.go", "../../internal/job/*.go",
		"../../internal/linux/*.go", "../../step*/*.go", "../../beyond/*/*.go",
		"../../beyond/internal/*/*.go",
	} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil,
				parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(parsed, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 3 ||
					!strings.HasSuffix(name(call.Fun), "Failed") {
					return true
				}
				if text, ok := call.Args[0].(*ast.BasicLit); ok &&
					!strings.HasSuffix(file, "_test.go") {
					operation, err := strconv.Unquote(text.Value)
					require.NoError(t, err)
					reported = append(reported, operation)
				}
				return true
			})
		}
	}
	for _, h := range slices.Concat(first, hints) {
		for operation := range strings.SplitSeq(h.Operations, "|") {
			assert.True(t, operation == "" || slices.Contains(reported, operation),
				"no program reports %q", operation)
		}
	}
}

func name(f ast.Expr) string {
	switch f := f.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// What every step links must not slow its start, more than package cli does.
func TestImports(t *testing.T) {
	deps := func(of string) []string {
		out, err := exec.Command("go", "list", "-deps", of).Output()
		require.NoError(t, err)
		return strings.Fields(string(out))
	}
	given := deps("github.com/urfave/cli/v2")
	own := slices.DeleteFunc(deps("nsteps/step1-pid"),
		func(name string) bool { return slices.Contains(given, name) })
	require.Contains(t, own, "nsteps/internal/cause")
	for _, slow := range []string{
		"regexp", "text/template", "debug/elf", "net", "go/ast",
		"encoding/json",
	} {
		assert.NotContains(t, own, slow)
	}
}

func TestInterpreter(t *testing.T) {
	// A small ELF file: the header, one PT_INTERP program header, the text.
	object := make([]byte, 64+56+14)
	copy(object, "\x7fELF\x02\x01\x01")
	object[32], object[56] = 64, 1                       // e_phoff, e_phnum
	object[64], object[64+8], object[64+32] = 3, 120, 14 // p_type, p_offset, p_filesz
	copy(object[120:], "/lib/ld.so.99\x00")
	huge := bytes.Clone(object)
	for i := range 8 {
		huge[64+32+i], huge[32+i] = 0xff, object[32+i]
	}
	object32 := make([]byte, 52+32+14)
	copy(object32, "\x7fELF\x01\x01\x01")
	object32[28], object32[44] = 52, 1                        // e_phoff, e_phnum
	object32[52], object32[52+4], object32[52+16] = 3, 84, 14 // as above
	copy(object32[84:], "/lib/ld.so.98\x00")
	static := bytes.Clone(object)
	static[64] = 1 // PT_LOAD
	lying := bytes.Clone(object)
	for i := range 8 {
		lying[32+i] = 0xff // e_phoff
	}
	for _, test := range []struct{ name, text, kind, want string }{
		{"empty", "", "", ""},
		{"text", "echo hello\n", "", ""},
		{"script", "#!/bin/sh\necho hello\n", "#! interpreter", "/bin/sh"},
		{
			"script with an argument", "#! /usr/bin/env python3 -u\n", "#! interpreter",
			"/usr/bin/env",
		},
		{"script without an end", "#!/bin/sh", "#! interpreter", "/bin/sh"},
		{"script without a name", "#!\n", "#! interpreter", ""},
		{"dynamic", string(object), "ELF interpreter", "/lib/ld.so.99"},
		{"dynamic, 32 bits", string(object32), "ELF interpreter", "/lib/ld.so.98"},
		{"static", string(static), "", ""},
		{"cut off", string(object[:64]), "", ""},
		{"huge name", string(huge), "ELF interpreter", "/lib/ld.so.99"},
		{"header beyond", string(lying), "", ""},
		{"empty, 32 bits", "\x7fELF\x01\x01\x01" + strings.Repeat("\x00", 60), "", ""},
	} {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, []byte(test.text), 0o644))
		kind, name := interpreter(file)
		assert.Equal(t, test.kind, kind, test.name)
		assert.Equal(t, test.want, name, test.name)
	}
	kind, name := interpreter("/nonesuch")
	assert.Empty(t, kind+name)
}
