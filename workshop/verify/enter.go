//go:build linux

package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"nsteps/common"
	"nsteps/workshop/procs"
)

// inside is what can only be seen from inside of a namespace: of UTS the hostname, of NET
// the links, of IPC the queues.
type inside struct {
	Hostname string  `json:"hostname"`
	Links    []link  `json:"links"`
	Queues   *queues `json:"queues"`
	Error    string  `json:"error"` // of what was to be seen
}

// child is the side of ask that has entered the namespace.
func child(kind string) (seen inside, err error) {
	switch kind {
	case "uts":
		seen.Hostname, err = os.Hostname()
	case "net":
		var links []net.Interface
		links, err = net.Interfaces()
		seen.Links = []link{}
		for _, l := range links {
			seen.Links = append(seen.Links, link{l.Name, l.Flags&net.FlagUp != 0})
		}
	case "ipc":
		seen.Queues = &queues{POSIX: []string{}}
		if seen.Queues.SystemV, err = systemV(); err == nil {
			seen.Queues.POSIX, err = posix()
		}
	default:
		return seen, &common.UsageError{Err: fmt.Errorf("no such probe: %s", kind)}
	}
	if err != nil {
		seen.Error = err.Error()
	}
	return seen, nil
}

// systemV returns how many queues there are. The file has those of whoever opens it: a
// line each, and a headline, sysvipc(7).
func systemV() (int, error) {
	const file = "/proc/sysvipc/msg"
	text, err := os.ReadFile(file)
	if errors.Is(err, unix.ENOENT) { // a kernel without them
		return 0, nil
	}
	return max(0, strings.Count(string(text), "\n")-1), err
}

// posix returns the names of the queues: the files of a message queue file system,
// mq_overview(7), which is mounted nowhere and ends with this process.
func posix() (names []string, err error) {
	const what = "mqueue to look at it"
	context, err := unix.Fsopen("mqueue", unix.FSOPEN_CLOEXEC)
	if err == unix.ENODEV { // a kernel without them
		return nil, nil
	}
	if err != nil {
		return nil, common.Failed("mount", what, err)
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return nil, common.Failed("mount", what, err)
	}
	mount, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, common.Failed("mount", what, err)
	}
	dir, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, common.Failed("open", "mqueue", err)
	}
	files, err := os.NewFile(uintptr(dir), "mqueue").Readdirnames(-1)
	for _, file := range files {
		names = append(names, "/"+file)
	}
	slices.Sort(names)
	return names, err
}

// ask starts this program again in a namespace of a process, and returns what it sees.
func ask(kind string, p, self *procs.Details) (seen inside, err error) {
	if kind != "ipc" && p.Namespaces[kind] == self.Namespaces[kind] {
		return child(kind)
	}
	object := fmt.Sprintf("%s:[%d] of process %d", kind, p.Namespaces[kind], p.PID)
	var s start
	// Who isn't root here is root in a user namespace below that is his:
	// user_namespaces(7). It has to come first.
	kinds := []string{"user", kind}
	if kind == "ipc" {
		s.unshare = unix.CLONE_NEWNS // to mount something takes one that is its user namespace's
	}
	if capable() {
		kinds = kinds[1:]
	}
	for _, kind := range kinds {
		if p.Namespaces[kind] == self.Namespaces[kind] {
			continue // setns(2) into this one would take a privilege too
		}
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", p.PID, kind), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return seen, common.Failed("open", object, err)
		}
		defer unix.Close(fd)
		s.enter[s.count] = uintptr(fd)
		s.count++
	}
	out, err := unix.MemfdCreate("verify", unix.MFD_CLOEXEC)
	if err != nil {
		return seen, common.Failed("memfd_create", "for the answer", err)
	}
	file := os.NewFile(uintptr(out), "answer")
	defer file.Close()
	s.out = uintptr(out)
	if err := s.run("verify", "--probe", kind); err != nil {
		return seen, common.Failed("clone", "child", err)
	}
	answer := make([]byte, 1<<20)
	n, _ := file.ReadAt(answer, 0)
	if n == len(failure{}) {
		switch stage, errno := answer[0], unix.Errno(answer[1]); stage {
		case stageExec:
			return seen, common.Failed("re-execute", "/proc/self/exe", errno)
		default:
			return seen, common.Failed("enter", object, errno)
		}
	}
	if err := json.Unmarshal(answer[:n], &seen); err != nil {
		return seen, common.Failed("look at", object, errors.New("no answer"))
	}
	return seen, nil
}

// capable reports whether this process may do what root may do in its user namespace.
func capable() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// A start is how this program is started again in other namespaces.
type start struct {
	enter   [2]uintptr // descriptors of namespaces
	count   int
	unshare uintptr // CLONE_NEW flags, after that
	out     uintptr // what becomes stdout

	// What execve(2) takes.
	path       *byte
	argv, envv **byte
}

const (
	stageEnter = iota
	stageExec
)

// A failure is what the clone writes if it comes to nothing: the stage and the errno.
type failure [2]byte

// run starts this program with these arguments and waits for its end.
func (s *start) run(args ...string) error {
	argv, err := syscall.SlicePtrFromStrings(append(os.Args[:1:1], args...))
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(append(os.Environ(), "GOMAXPROCS=1"))
	if err != nil {
		return err
	}
	s.argv, s.envv = &argv[0], &envv[0]
	if s.path, err = unix.BytePtrFromString("/proc/self/exe"); err != nil {
		return err
	}
	// No signal may have a handler of Go run in the clone, so that it has all of them blocked,
	// until its end: that takes milliseconds. PDEATHSIG is of this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, mask unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &mask); err != nil {
		return err
	}
	pid, errno := s.clone()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	for {
		if _, err := unix.Wait4(int(pid), nil, 0, nil); err != unix.EINTR {
			runtime.KeepAlive(s)
			return err
		}
	}
}

// clone is fork(2), and in the new process setns(2), unshare(2) and execve(2). That
// can't be left to a thread of this program, or to package exec: only a process of a
// single thread may enter a user namespace, and a Go program has several from its start.
// The clone has one, as long as it is a copy of this program; so it makes system calls
// and nothing else, without a growing stack, an allocation or a lock.
//
//go:norace
//go:nosplit
func (s *start) clone() (pid uintptr, errno unix.Errno) {
	pid, _, errno = unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	var f failure
	for i := 0; i < s.count && errno == 0; i++ {
		_, _, errno = unix.RawSyscall(unix.SYS_SETNS, s.enter[i&1], 0, 0)
	}
	if errno == 0 && s.unshare != 0 {
		_, _, errno = unix.RawSyscall(unix.SYS_UNSHARE, s.unshare, 0, 0)
	}
	if errno == 0 {
		f[0] = stageExec
		_, _, _ = unix.RawSyscall(unix.SYS_DUP3, s.out, 1, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
		_, _, errno = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(s.path)),
			uintptr(unsafe.Pointer(s.argv)), uintptr(unsafe.Pointer(s.envv)))
	}
	f[1] = byte(errno)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, s.out, uintptr(unsafe.Pointer(&f)), unsafe.Sizeof(f))
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}
