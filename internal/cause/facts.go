//go:build linux

package cause

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// Facts are what a cause depends on, besides the error.
type Facts struct {
	Args []string // the command line of this program
	Jail string   // the directory of --chroot, as typed, or ""

	UID       int      // the effective one, in this user namespace
	SysAdmin  bool     // CAP_SYS_ADMIN is effective
	Bounded   bool     // the bounding set lacks CAP_SYS_ADMIN, for root too
	UserNS    bool     // this user namespace isn't the initial one
	Refused   bool     // a user namespace was tried, and refused
	AppArmor  bool     // kernel.apparmor_restrict_unprivileged_userns is 1
	NoClone   bool     // kernel.unprivileged_userns_clone is 0
	Unmapped  bool     // the user or the group has no ID in this user namespace
	Seccomp   bool     // a seccomp filter is installed
	NoSudo    bool     // no_new_privs is set: no set-user-ID program helps
	OwnFilter bool     // this program has installed one
	Below     string   // the program of this suite that limited this one, or ""
	Container string   // as container returns it, or "" for none that is known
	Unit      string   // the systemd unit, if Container is "service"
	WSL       string   // the name of the distribution under WSL 1, or ""
	Emulator  string   // the program that emulates this processor, or ""
	InChroot  bool     // the root directory isn't a mount point
	Immutable bool     // the root directory is immutable (see chattr(1))
	NoProc    bool     // no proc is mounted on /proc
	Masked    []string // mount points below /proc
	// the user.max_*_namespaces, by the names in /proc/self/ns
	Limits map[string]string
	PIDs   string // the file with a pids cgroup's limit, if that is near

	cgroups, controllers string // the texts of /proc/self/cgroup and /proc/cgroups

	onHost func(file string) bool // reports whether the host has it; nil: not known

	OpenFiles             uint64 // RLIMIT_NOFILE
	Queues, QueuesMaximum uint64 // RLIMIT_MSGQUEUE, in bytes
}

// A Root is a root directory to read the facts from. A process in a jail keeps the one
// that it had before chroot(2): the jail may have no /proc, and tells nothing about the
// machine.
type Root struct {
	fd     int
	mounts string // the mountinfo, which after chroot(2) lists the jail's mounts only
}

// KeepRoot returns the root directory of this process. No command gets it: the
// descriptor is closed by execve(2).
func KeepRoot() Root {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Root{}
	}
	return Root{fd: fd, mounts: Root{}.Read(mountinfo)}
}

const mountinfo = "/proc/self/mountinfo"

// Gather collects the facts. The arguments are the command line of this program and the
// directory of --chroot. The zero Root is the present root directory.
func Gather(args []string, jail string, root Root) *Facts {
	f := gather(args, jail, machine{
		root.Read, root.link, root.exists, os.Getenv, root.inChroot,
	})
	if jail != "" && root.fd > 0 {
		f.onHost = root.exists
	}
	return f
}

// A machine is what the facts are read from.
type machine struct {
	read   func(file string) string
	link   func(file string) string
	exists func(file string) bool
	env    func(name string) string

	inChroot func() bool
}

func gather(args []string, jail string, m machine) *Facts {
	read := m.read
	userNS := m.link("/proc/self/ns/user")
	f := &Facts{
		Args: args, Jail: jail, UID: os.Geteuid(),
		SysAdmin: linux.HasSysAdmin(), // a jail may have no /proc to read that in
		Bounded:  prctl(unix.PR_CAPBSET_READ, unix.CAP_SYS_ADMIN) == 0,
		UserNS:   userNS != "" && userNS != linux.InitialUser,
		AppArmor: words(
			read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")) == "1",
		NoClone:  words(read("/proc/sys/kernel/unprivileged_userns_clone")) == "0",
		Seccomp:  prctl(unix.PR_GET_SECCOMP, 0) == unix.SECCOMP_MODE_FILTER,
		WSL:      wsl1(read("/proc/version"), m.env("WSL_DISTRO_NAME")),
		Emulator: emulator(), Limits: map[string]string{},
	}
	// A program of this suite that installs a filter, or drops capabilities, also sets
	// no_new_privs.
	if f.NoSudo = ownState().noNewPrivs; f.NoSudo {
		f.OwnFilter = f.Seccomp && (!atStart.filter || !atStart.noNewPrivs)
		f.Below = below(m.env("PS1"))
	}
	f.Unmapped = f.UserNS && (!isMapped(read("/proc/self/uid_map"), f.UID) ||
		!isMapped(read("/proc/self/gid_map"), os.Getegid()))
	f.Container, f.Unit = container(m)
	for _, k := range linux.Kinds {
		f.Limits[k.File] = words(read("/proc/sys/user/max_" + k.File + "_namespaces"))
	}
	f.InChroot, f.Masked = m.inChroot(), masked(read(mountinfo))
	var fs unix.Statfs_t
	f.NoProc = unix.Statfs("/proc", &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC
	f.Immutable = immutable("/")
	f.cgroups, f.controllers = read("/proc/self/cgroup"), read("/proc/cgroups")
	f.PIDs = pids(f.cgroups, read)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		f.OpenFiles = limit.Cur
	}
	if unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &limit) == nil {
		f.Queues, f.QueuesMaximum = limit.Cur, limit.Max
	}
	return f
}

// A state is what a program of this suite may do to itself before it executes a command.
type state struct{ filter, noNewPrivs bool }

func ownState() state {
	return state{
		prctl(unix.PR_GET_SECCOMP, 0) == unix.SECCOMP_MODE_FILTER,
		prctl(unix.PR_GET_NO_NEW_PRIVS, 0) == 1,
	}
}

var atStart = ownState()

// below returns the program that has made the prompt of this process's shell, and that
// takes privileges away.
func below(prompt string) string {
	program := strings.TrimRight(prompt, "$# ")
	switch program {
	case "container", "step13-caps", "step14-seccomp":
		return program
	}
	return ""
}

// isMapped reports whether an ID is one of a uid_map or gid_map. An ID without a number
// there shows as 65534 (see user_namespaces(7)).
func isMapped(text string, id int) bool {
	for _, r := range linux.ParseIDMap(text) {
		if id >= r.Inside && id-r.Inside < r.Count {
			return true
		}
	}
	return false
}

// Sudo returns what stands in front of a command that needs root.
func (f *Facts) Sudo() string {
	if f.UID == 0 {
		return ""
	}
	return "sudo "
}

// CouldBeRoot reports whether a user without privileges could be root in a new user
// namespace.
func (f *Facts) CouldBeRoot() bool {
	return f.UID != 0 && !f.SysAdmin && !f.Bounded && f.couldMakeUser()
}

// couldMakeUser reports whether nothing is known that keeps a process without privileges
// from being root in a new user namespace.
func (f *Facts) couldMakeUser() bool {
	return !f.Refused && !f.NoClone && !f.AppArmor && !f.InChroot && !f.Seccomp &&
		!f.Unmapped && f.Limits["user"] != "0"
}

// fill returns the command that brings into the jail what a program needs, and the
// program itself unless it is there. The tool is built beside the steps.
func (f *Facts) fill(program string) string {
	tool := "binlibdepcp"
	if strings.Contains(f.Args[0], "/") {
		tool = filepath.Join(filepath.Dir(f.Args[0]), tool)
	}
	return cmdline.QuoteAll([]string{tool, program, f.Jail})
}

// Read returns the text of a small file, or "" if it can't be read. Package os would put
// the file into the runtime's poller, which ends the program where there are too few
// descriptors for that.
func (r Root) Read(file string) string {
	if file == mountinfo && r.mounts != "" {
		return r.mounts
	}
	// A jail or a container may have anything under the name: no open(2) of a FIFO waits.
	fd, err := r.open(file, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	text, _ := linux.ReadAll(fd)
	return string(text)
}

// link returns what a symbolic link says, or "".
func (r Root) link(file string) string {
	fd, err := r.open(file, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	if err != nil {
		return ""
	}
	return string(buffer[:n])
}

func (r Root) exists(file string) bool {
	fd, err := r.open(file, unix.O_PATH)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// inChroot reports whether the root directory isn't a mount point. In a chroot it may be
// one, and no call tells the two apart.
func (r Root) inChroot() bool {
	dir, at, flags := "/", unix.AT_FDCWD, 0
	if r.fd > 0 {
		dir, at, flags = "", r.fd, unix.AT_EMPTY_PATH
	}
	var st unix.Statx_t
	const isMount = unix.STATX_ATTR_MOUNT_ROOT // since Linux 5.8
	return unix.Statx(at, dir, flags, 0, &st) == nil && st.Attributes_mask&isMount != 0 &&
		st.Attributes&isMount == 0
}

// open opens a file below the root directory that was kept, which absolute links mean
// too (openat2(2)). A seccomp filter may refuse openat2.
func (r Root) open(file string, flags int) (fd int, err error) {
	flags |= unix.O_CLOEXEC
	if r.fd <= 0 {
		return unix.Open(file, flags, 0)
	}
	fd, err = unix.Openat2(r.fd, file[1:], &unix.OpenHow{
		Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT,
	})
	if err == unix.ENOSYS || err == unix.EPERM {
		fd, err = unix.Openat(r.fd, file[1:], flags, 0)
	}
	return fd, err
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }

func prctl(option, argument uintptr) int {
	value, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, option, argument, 0, 0, 0, 0)
	if errno != 0 {
		return -1
	}
	return int(value)
}

// emulator returns the program that executes this one, if that isn't the kernel. An
// emulator such as qemu-user answers readlink(2) of /proc/self/exe with the name of the
// program that it emulates, but leaves the same link of the thread alone.
func emulator() string {
	self, err := os.Readlink("/proc/self/exe")
	thread, err2 := os.Readlink("/proc/thread-self/exe")
	if err != nil || err2 != nil || self == thread {
		return ""
	}
	return filepath.Base(thread)
}

// wsl1 tells WSL 1 from WSL 2, whose kernel is Linux: "4.4.0-19041-Microsoft" and
// "5.15.90.1-microsoft-standard-WSL2".
func wsl1(version, distribution string) string {
	switch {
	case !strings.Contains(version, "-Microsoft "):
		return ""
	case distribution == "":
		return "WSL"
	}
	return distribution
}

// masked returns from a mountinfo the mount points below /proc, which hide something (see
// proc_pid_mountinfo(5)).
func masked(mountinfo string) (points []string) {
	for _, m := range linux.ParseMounts(mountinfo) {
		if strings.HasPrefix(m.Point, "/proc/") && m.Point != "/proc/sys/fs/binfmt_misc" {
			points = append(points, m.Point)
		}
	}
	return points
}

// immutable reports whether a directory takes no new files, not even from root.
func immutable(dir string) bool {
	const immutableFlag = 0x10 // FS_IMMUTABLE_FL of the kernel's fs.h
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	return err == nil && flags&immutableFlag != 0
}

// pids returns the file with the limit of this process's pids cgroup, if a step's two
// processes, which have up to a dozen threads, may meet it (see cgroups(7)).
func pids(cgroups string, read func(string) string) string {
	const dozen = 12
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		dir := "/sys/fs/cgroup" + fields[2]
		if controllers := fields[1]; controllers != "" { // version 1
			if !contains(strings.ReplaceAll(controllers, ",", "|"), "pids") {
				continue
			}
			dir = "/sys/fs/cgroup/pids" + fields[2]
		}
		most, err := strconv.Atoi(words(read(dir + "/pids.max")))
		now, err2 := strconv.Atoi(words(read(dir + "/pids.current")))
		if err == nil && err2 == nil && now+dozen > most {
			return filepath.Join(dir, "pids.max")
		}
	}
	return ""
}
