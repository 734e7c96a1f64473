//go:build linux

package doctor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nsteps/internal/linux"
)

// A probe is something that a step needs, tried in a child in new namespaces. It says
// nothing new if one of those that it comes after fails.
type probe struct {
	name  string
	flags uintptr
	after []string
	try   func() error
	step  string // does the same, for a person who wants to see how long it takes
}

var probes = []probe{
	{"child", 0, nil, nothing, "step1-pid true"},
	{"pid", unix.CLONE_NEWPID, []string{"child"}, isPID1, "step1-pid -p true"},
	{"mnt", unix.CLONE_NEWNS, []string{"child"}, private, "step2-mnt -m true"},
	{
		"proc", unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		[]string{"pid", "mnt"},
		proc,
		"step2-mnt -pm true",
	},
	{"uts", unix.CLONE_NEWUTS, []string{"child"}, hostname, "step3-uts -u box true"},
	{"net", unix.CLONE_NEWNET, []string{"child"}, nothing, "step4-net -n true"},
	{"lo", unix.CLONE_NEWNET, []string{"net"}, loUp, "step4-net -n ip link set lo up"},
	// As the command's PID 1 it takes along, at the end, what else the command has
	// started.
	{
		"veth", unix.CLONE_NEWPID | unix.CLONE_NEWNET,
		[]string{"pid", "net", "ip"},
		veth,
		"step4-net -n ip link add type veth",
	},
	{"cable", 0, []string{"child"}, mayAddLinks, "step11-veth -ne 10.9.8.0/30 true"},
	{"queue", 0, []string{"child"}, queue, "step5-ipc -i no true </dev/null"},
	{"ipc", unix.CLONE_NEWIPC, []string{"queue"}, queue, "step5-ipc -i yes true"},
	{
		"jail", unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		[]string{"proc"},
		chroot,
		"step6-chroot -pmc / true",
	},
	{
		"userns", unix.CLONE_NEWUSER | unix.CLONE_NEWUTS,
		[]string{"child", "uts"},
		ownHostname,
		"step7-user -u box -U root true",
	},
	{
		"pivot", unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		[]string{"proc"},
		pivot,
		"step8-pivot -pmr img sh",
	},
	{"setns", unix.CLONE_NEWPID, []string{"pid"}, joins, "join -t 1 true"},
	{"dev", unix.CLONE_NEWNS, []string{"mnt"}, devices, "step9-dev -mdr img true"},
	{"overlay", unix.CLONE_NEWNS, []string{"mnt"}, overlay, "step10-overlay -mor img true"},
	{
		"cgroup", unix.CLONE_NEWCGROUP,
		[]string{"child"},
		makeCgroup,
		"step12-cgroup -g pids.max=20 true",
	},
	{
		"bounding", unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		[]string{"proc"},
		readOnlyProc,
		"step13-caps -pml true",
	},
	{"seccomp", 0, []string{"child"}, installFilter, "step14-seccomp -s true"},
	{"time", 0, []string{"pid"}, setClocks, "step15-time -t 1h true"},
	{
		"container", unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
			unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP,
		[]string{"proc", "uts", "net"},
		hostname,
		"container -r img true",
	},
}

// user is the probe that runs all others, as root of a user namespace.
var user = probe{"user", unix.CLONE_NEWUSER, []string{"child"}, nothing, "step1-pid true"}

func nothing() error { return nil }

// ownHostname uses a capability over a namespace that the new USER namespace owns:
// AppArmor may allow the USER namespace, and take the capabilities away.
func ownHostname() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("the user in a new USER namespace is %d, not 0", uid)
	}
	return hostname()
}

// joins joins the PID namespace that this process is in. That needs the same calls and
// the same privilege as to join another.
func joins() error {
	process := strconv.Itoa(os.Getpid())
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return linux.Failed("pidfd_open", process, err)
	}
	defer unix.Close(pidfd)
	if err := unix.Setns(pidfd, unix.CLONE_NEWPID); err != nil {
		return linux.Failed("setns", "CLONE_NEWPID of "+process, err)
	}
	return nil
}

// makeCgroup makes a cgroup and removes it. A user who isn't root of the machine owns a
// cgroup only below systemd-run(1): EACCES says nothing about the machine, and the step
// says what to type.
func makeCgroup() error {
	own, err := linux.CgroupOf("self", "pids")
	if err != nil {
		return err
	}
	dir := own.Dir + "/" + linux.NewCgroupName()
	err = unix.Mkdir(dir, 0o755)
	if err == nil {
		err = linux.RemoveCgroup(dir)
	}
	if err == nil || errors.Is(err, unix.EACCES) && !linux.InInitialUser() {
		return nil
	}
	return linux.Failed("make cgroup", dir, err)
}

func isPID1() error {
	if pid := os.Getpid(); pid != 1 {
		return fmt.Errorf("the PID in a new PID namespace is %d", pid)
	}
	return nil
}

func private() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return linux.Failed("make mounts private below", "/", err)
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
		return linux.Failed("mount proc on", "/proc", err)
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != "1" {
		return fmt.Errorf("a new /proc has %q for PID 1", self)
	}
	return nil
}

func hostname() error {
	const box = "nsteps-doctor"
	if err := unix.Sethostname([]byte(box)); err != nil {
		return linux.Failed("sethostname", box, err)
	}
	if now, err := os.Hostname(); err != nil || now != box {
		return fmt.Errorf("the hostname is %q, not %q", now, box)
	}
	return nil
}

// loUp does what "ip link set lo up" does.
func loUp() error { return setUp("lo") }

// mayAddLinks tries to change a link of the host that isn't there: a user who may not
// change the host's links gets EPERM, and all others get ENODEV. So nothing is changed.
func mayAddLinks() error {
	err := setUp("nsteps-none")
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// setUp sets a link up, netdevice(7).
func setUp(link string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return linux.Failed("socket", "AF_INET", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(link)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return linux.Failed("set up", link, err)
	}
	return nil
}

func veth() error {
	words := strings.Fields("ip link add name veth0 type veth peer name veth1")
	if f := runCommand(longest, "ip", words...); f != nil {
		return f
	}
	return nil
}

// queue makes a queue as large as that of step 5, and removes it at once: as the limits
// on queues are also those of an IPC namespace, mq_overview(7), it has to be this one.
func queue() error {
	const step, own = "/ipc_namespace", "/nsteps_doctor"
	fd, err := linux.OpenQueue(step, unix.O_RDONLY, nil)
	switch {
	case err == nil:
		unix.Close(fd)
	// the step removes one that is left over, but not another user's
	case errors.Is(err, unix.EACCES):
		return linux.Failed("mq_unlink", step, unix.EPERM)
	}
	for range 20 {
		err = linux.TryQueue(own, &linux.QueueAttr{Messages: 10, Size: 81})
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EEXIST) { // another doctor's, for a moment
			break
		}
		time.Sleep(time.Millisecond)
	}
	return linux.Failed("mq_open", own, err)
}

// chroot takes for the jail what is there: the kernel makes no difference.
func chroot() error {
	if err := private(); err != nil {
		return err
	}
	if err := unix.Chroot("/"); err != nil {
		return linux.Failed("chroot", "/", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return linux.Failed("chdir", "/", err)
	}
	return mountProc()
}

// pivot does what step 8 does, with a tree of which nothing is missing: the host's.
func pivot() error {
	if err := private(); err != nil {
		return err
	}
	const image = "/proc" // any directory
	old, err := os.OpenFile("/", unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := unix.Mount("/", image, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return linux.Failed("bind mount", "/", err)
	}
	if err := unix.PivotRoot(image, image); err != nil {
		return linux.Failed("pivot_root", image, err)
	}
	if err := old.Chdir(); err != nil {
		return err
	}
	if err := mountProc(); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return linux.Failed("unmount", "the old root", err)
	}
	return nil
}
