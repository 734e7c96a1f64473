//go:build linux

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nsteps/common"
)

// limit is how long a probe may take. Those in a user namespace come after the others;
// nothing else takes time, so that all is over in less than 2 s.
const limit = 800 * time.Millisecond

// prefix makes a plain user root of a user namespace.
const prefix = "unshare --user --map-root-user"

// A probe is something that a step needs, tried in a child in new namespaces. It says
// nothing new if one of those that it comes after fails.
type probe struct {
	name  string
	flags uintptr
	after []string
	try   func() error
}

var probes = []probe{
	{"child", 0, nil, nothing},
	{"pid", unix.CLONE_NEWPID, []string{"child"}, isPID1},
	{"mnt", unix.CLONE_NEWNS, []string{"child"}, private},
	{"proc", unix.CLONE_NEWPID | unix.CLONE_NEWNS, []string{"pid", "mnt"}, proc},
	{"uts", unix.CLONE_NEWUTS, []string{"child"}, hostname},
	{"net", unix.CLONE_NEWNET, []string{"child"}, nothing},
	{"lo", unix.CLONE_NEWNET, []string{"net"}, loUp},
	// As the command's PID 1 it takes along, at the end, what else the command has started.
	{"veth", unix.CLONE_NEWPID | unix.CLONE_NEWNET, []string{"pid", "net", "ip"}, veth},
	{"queue", 0, []string{"child"}, queue},
	{"ipc", unix.CLONE_NEWIPC, []string{"queue"}, queue},
	{"chroot", unix.CLONE_NEWPID | unix.CLONE_NEWNS, []string{"proc"}, chroot},
}

// user is the probe that runs all others, as root of a user namespace.
var user = probe{"user", unix.CLONE_NEWUSER, []string{"child"}, nothing}

// A failure is what a probe met: an operation on an object, and the errno, or a text
// where there is none.
type failure struct {
	Op     string        `json:"op"`
	Object string        `json:"object"`
	Errno  syscall.Errno `json:"errno"`
	Text   string        `json:"text"`
}

func (f *failure) Error() string {
	text := f.Text
	if text == "" {
		text = f.Errno.Error()
	}
	return common.Printable(strings.TrimSpace(f.Op+" "+f.Object) + ": " + text)
}

// failed turns an error of common.Failed, or another one, into a failure; nil stays nil.
func failed(err error) *failure {
	var path *fs.PathError
	var errno syscall.Errno
	var own *failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &path) && errors.As(err, &errno):
		return &failure{Op: path.Op, Object: path.Path, Errno: errno}
	case errors.As(err, &errno):
		return &failure{Op: "try", Errno: errno}
	}
	return &failure{Op: "try", Text: err.Error()}
}

// results has for each name what was met, nil if nothing was.
type results map[string]*failure

// An examination is all that was found out: in this user namespace and, where that won't
// do, as root of a new one.
type examination struct {
	direct   results
	user     results // nil if it wasn't tried
	prefix   *failure
	commands results
	facts    facts
}

func examine() examination {
	var e examination
	var wg sync.WaitGroup
	wg.Go(func() { e.commands = tryCommands() })
	wg.Go(func() { e.facts = gather() })
	e.direct = tryAll()
	if slices.ContainsFunc(probes, func(p probe) bool { return e.direct[p.name].is("clone", unix.EPERM) }) {
		wg.Go(func() {
			e.prefix = runCommand("unshare", strings.Fields(prefix+" true")...)
		})
		e.user = user.run()
	}
	wg.Wait()
	return e
}

func (f *failure) is(op string, errno syscall.Errno) bool {
	return f != nil && f.Op == op && f.Errno == errno
}

// tryAll runs all probes at once.
func tryAll() results {
	found := results{}
	var mutex sync.Mutex
	var wg sync.WaitGroup
	for _, p := range probes {
		wg.Go(func() {
			one := p.run()
			mutex.Lock()
			defer mutex.Unlock()
			found[p.name] = one[p.name]
		})
	}
	wg.Wait()
	return found
}

// run clones this program into the namespaces of the probe and returns what it found
// there, for the probe itself or, as user does, for more.
func (p *probe) run() results {
	// PDEATHSIG comes when the thread that cloned ends, not the process: prctl(2).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wait := limit
	if p.flags&unix.CLONE_NEWUSER != 0 {
		wait += limit / 8 // it waits itself
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", subcommand, "--probe", p.name)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, errors := newMemory(), newMemory()
	defer out.Close()
	defer errors.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = out, out, errors
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: p.flags, Pdeathsig: unix.SIGKILL}
	if p.flags&unix.CLONE_NEWUSER != 0 {
		// Go writes "deny" to setgroups before the gid_map: user_namespaces(7).
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		f := failed(err)
		f.Op, f.Object = "clone", common.FlagNames(p.flags)
		switch f.Errno {
		case unix.ENOENT, unix.EACCES, unix.E2BIG: // of execve(2)
			f.Op, f.Object = "re-execute", "/proc/self/exe"
		}
		return results{p.name: f}
	}
	err := cmd.Wait()
	found := results{}
	switch {
	case ctx.Err() != nil:
		return results{p.name: slow("probe", p.name)}
	case err != nil || json.Unmarshal(contents(out), &found) != nil:
		text := firstLine(contents(errors))
		if text == "" {
			text = fmt.Sprint("no result: ", err)
		}
		return results{p.name: {Op: "probe", Object: p.name, Text: text}}
	}
	if _, ok := found[p.name]; !ok {
		return results{p.name: {Op: "probe", Object: p.name, Text: "no result"}}
	}
	return found
}

func slow(op, object string) *failure {
	return &failure{Op: op, Object: object, Errno: unix.ETIMEDOUT,
		Text: fmt.Sprintf("not done within %d ms", limit.Milliseconds())}
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}

// newMemory returns a file in memory for what a child writes, memfd_create(2): unlike a
// pipe it has no other end, which something that the child has started could hold open.
// It is the child's empty input too: /dev/null may be missing, which no step needs.
func newMemory() *os.File {
	fd, err := unix.MemfdCreate("doctor", unix.MFD_CLOEXEC)
	if err != nil {
		return nil // Start says that it is a bad descriptor
	}
	return os.NewFile(uintptr(fd), "memory")
}

func contents(f *os.File) []byte {
	text := make([]byte, 64<<10)
	n, _ := f.ReadAt(text, 0)
	return text[:n]
}

// child is the probe's side of run.
func child(name string) (results, error) {
	if name == user.name {
		found := tryAll()
		found[name] = nil
		return found, nil
	}
	for _, p := range probes {
		if p.name == name {
			return results{name: failed(p.try())}, nil
		}
	}
	return nil, fmt.Errorf("no such probe: %s", name)
}

func nothing() error { return nil }

func isPID1() error {
	if pid := os.Getpid(); pid != 1 {
		return fmt.Errorf("the PID in a new PID namespace is %d", pid)
	}
	return nil
}

func private() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return common.Failed("make mounts private below", "/", err)
	}
	return nil
}

func proc() error {
	if err := private(); err != nil {
		return err
	}
	return mountProc()
}

func mountProc() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", "/proc", "proc", flags, ""); err != nil {
		return common.Failed("mount proc on", "/proc", err)
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != "1" {
		return fmt.Errorf("a new /proc has %q for PID 1", self)
	}
	return nil
}

func hostname() error {
	const box = "nsteps-doctor"
	if err := unix.Sethostname([]byte(box)); err != nil {
		return common.Failed("sethostname", box, err)
	}
	if now, err := os.Hostname(); err != nil || now != box {
		return fmt.Errorf("the hostname is %q, not %q", now, box)
	}
	return nil
}

// loUp does what "ip link set lo up" does, netdevice(7).
func loUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return common.Failed("socket", "AF_INET", err)
	}
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return common.Failed("set up", "lo", err)
	}
	return nil
}

func veth() error {
	if f := runCommand("ip", strings.Fields("ip link add name veth0 type veth peer name veth1")...); f != nil {
		return f
	}
	return nil
}

// mqAttr is struct mq_attr of <mqueue.h>.
type mqAttr struct {
	flags, maxmsg, msgsize int
	_                      [5]int
}

// queue makes a queue as large as that of step 5, and removes it at once: as the limits
// on queues are also those of an IPC namespace, mq_overview(7), it has to be this one.
func queue() error {
	step, _ := unix.BytePtrFromString("ipc_namespace")
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(step)),
		unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0, 0)
	switch errno {
	case 0:
		unix.Close(int(fd))
	case unix.EACCES: // the step removes one that is left over, but not another user's
		return common.Failed("mq_unlink", "/ipc_namespace", unix.EPERM)
	}
	own, _ := unix.BytePtrFromString("nsteps_doctor")
	attr := &mqAttr{maxmsg: 10, msgsize: 81}
	for range 20 {
		_, _, _ = unix.RawSyscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(own)), 0, 0)
		// No Go code runs between these two: a SIGKILL would leave the queue there.
		fd, _, errno = unix.RawSyscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(own)),
			unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600, uintptr(unsafe.Pointer(attr)), 0, 0)
		if errno == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(own)), 0, 0)
			unix.Close(int(fd))
			return nil
		}
		if errno != unix.EEXIST { // another doctor's, for a moment
			break
		}
		time.Sleep(time.Millisecond)
	}
	return common.Failed("mq_open", "/nsteps_doctor", errno)
}

// chroot takes for the jail what is there: the kernel makes no difference.
func chroot() error {
	if err := private(); err != nil {
		return err
	}
	if err := unix.Chroot("/"); err != nil {
		return common.Failed("chroot", "/", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return common.Failed("chdir", "/", err)
	}
	return mountProc()
}

// A command is one that the chapters use. It is tried, since there are simpler ones of
// the same name that don't do.
type command struct {
	name     string
	args     string
	packages [4]string // of Debian, Fedora, Arch Linux, Alpine
}

var commands = []command{
	{"ps", "-e --no-headers", [4]string{"procps", "procps-ng", "procps-ng", "procps"}},
	{"mount", "-V", [4]string{"mount", "util-linux", "util-linux", "mount"}},
	{"hostname", "", [4]string{"hostname", "hostname", "inetutils", "net-tools"}},
	{"ip", "-brief link", [4]string{"iproute2", "iproute", "iproute2", "iproute2"}},
	{"ipcs", "-q", [4]string{"util-linux", "util-linux", "util-linux", "util-linux"}},
	{"ipcmk", "-V", [4]string{"util-linux", "util-linux", "util-linux", "util-linux"}},
	{"ipcrm", "-V", [4]string{"util-linux", "util-linux", "util-linux", "util-linux"}},
	{"bash", "-c true", [4]string{"bash", "bash", "bash", "bash"}},
	{"unshare", "-V", [4]string{"util-linux", "util-linux", "util-linux", "util-linux"}},
	{"strace", "-h", [4]string{"strace", "strace", "strace", "strace"}},
}

// searchPath is where a step looks up its command.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// tryCommands runs the commands, and the programs of this suite, all at once.
func tryCommands() results {
	found := results{}
	var mutex sync.Mutex
	var wg sync.WaitGroup
	try := func(name, file, args string) {
		wg.Go(func() {
			f := runCommand(file, append([]string{name}, strings.Fields(args)...)...)
			mutex.Lock()
			defer mutex.Unlock()
			found[name] = f
		})
	}
	for _, c := range commands {
		try(c.name, c.name, c.args)
	}
	for _, s := range steps {
		args := "--help"
		if s.name == "binlibdepcp" {
			args = "-l /bin/sh"
		}
		try(s.name, filepath.Join(programDir(), s.name), args)
	}
	wg.Wait()
	return found
}

// programDir is the directory of this program, and of the others of the suite.
func programDir() string {
	self, err := os.Executable()
	if err != nil { // without a /proc
		self, _ = exec.LookPath(os.Args[0])
	}
	return filepath.Dir(self)
}

// runCommand runs a command as a step would: found in the same directories, with
// nothing of this environment. The first argument is the command's own name.
func runCommand(file string, argv ...string) *failure {
	if !strings.Contains(file, "/") {
		found := lookPath(file, searchPath)
		if found == "" {
			return &failure{Op: "find", Object: file, Errno: unix.ENOENT}
		}
		file = found
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, file)
	cmd.Args = argv
	cmd.Env = []string{"PATH=" + searchPath, "LC_ALL=C"}
	out, stderr := newMemory(), newMemory()
	defer out.Close()
	defer stderr.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stderr, out, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) } // and its children
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return slow("run", argv[0])
	case errors.As(err, &exit):
		text := strings.TrimPrefix(firstLine(contents(stderr)), argv[0]+": ")
		if text == "" {
			text = exit.Error()
		}
		return &failure{Op: strings.Join(argv, " "), Text: text}
	}
	f := failed(err)
	f.Op, f.Object = "run", file
	return f
}

// lookPath returns the file that execvp(3) would execute, or "".
func lookPath(name, path string) string {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file
		}
	}
	return ""
}
