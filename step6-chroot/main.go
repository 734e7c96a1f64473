//go:build linux

// Step6-chroot runs a command in new PID, MNT, UTS, NET and IPC namespaces, in
// a chroot jail.
//
// Usage:
//
//	step6-chroot [options] [cmd [arg...]]
//
// Options:
//
//	-h, --help               show this help and exit
//	-v, --verbose            print what parent and child do
//	-p, --pid                new PID namespace
//	-m, --mnt                new MNT namespace
//	-u, --uts hostname       new UTS namespace with that hostname
//	-n, --net                new NET namespace
//	-i, --ipc no|yes         send the parent a message, from a new IPC namespace: no|yes
//	-c, --chroot dir         jail the child in dir
//
// New in this step: chroot(2). The child's root directory is the jail. A jail is not a
// security boundary, because root can get out of it (chroot(2)).
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"nsteps/common"
)

const queueName = "/ipc_namespace"

func main() {
	common.Main(&cli.App{
		Name: "step6-chroot",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "p", Aliases: []string{"pid"}, Usage: "new PID namespace"},
			&cli.BoolFlag{Name: "m", Aliases: []string{"mnt"}, Usage: "new MNT namespace"},
			&cli.StringFlag{Name: "u", Aliases: []string{"uts"}, Action: common.CheckHostname,
				Usage: "new UTS namespace with that `hostname`"},
			&cli.BoolFlag{Name: "n", Aliases: []string{"net"}, Usage: "new NET namespace"},
			&cli.StringFlag{Name: "i", Aliases: []string{"ipc"}, Action: common.CheckNoOrYes,
				Usage: "send the parent a message, from a new IPC namespace: `no|yes`"},
			&cli.StringFlag{Name: "c", Aliases: []string{"chroot"},
				Usage: "jail the child in `dir`"},
		},
	}, parent, child)
}

// parent clones the child into the namespaces asked for, and waits for it.
func parent(c *cli.Context) error {
	var flags uintptr
	if c.Bool("pid") {
		// The child is PID 1 of the new namespace. The parent stays in its own.
		flags |= unix.CLONE_NEWPID
	}
	if c.Bool("mnt") {
		// The child gets a copy of the list of mounts.
		flags |= unix.CLONE_NEWNS
	}
	if c.IsSet("uts") {
		// The child gets a copy of the hostname.
		flags |= unix.CLONE_NEWUTS
	}
	if c.Bool("net") {
		// The child gets one network link, lo, which is down.
		flags |= unix.CLONE_NEWNET
	}
	var queue *common.Queue
	if c.IsSet("ipc") {
		// Made before clone(2), in the parent's namespace: 10 messages of 80 bytes and a NUL.
		var err error
		if queue, err = common.CreateQueue(queueName, 10, 80+1); err != nil {
			return err
		}
		defer queue.Remove()
		common.Parentf(c, "created message queue %s", queueName)
	}
	if c.String("ipc") == "yes" {
		// The child starts without message queues, POSIX or System V.
		flags |= unix.CLONE_NEWIPC
	}

	process, err := common.Start(c, flags)
	if err != nil {
		return err
	}
	process.Release() // the child has waited for this
	if queue != nil {
		if message, err := queue.Receive(process); err != nil {
			fmt.Println("Parent: no message:", err)
		} else {
			fmt.Println("Parent: received message:", message)
		}
		process.Release() // the child goes on from Yield
	}
	return process.Wait()
}

// child runs in the new namespaces, as this program again, and becomes the command.
func child(c *cli.Context) error {
	if c.Bool("mnt") {
		// systemd makes all mounts shared, so a mount that root makes here would appear
		// on the host too. A private mount stays here (mount_namespaces(7)).
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return common.Failed("make mounts private below", "/", err)
		}
		common.Childf(c, "made all mounts private")
	}
	if c.IsSet("chroot") {
		if err := unix.Chroot(c.String("chroot")); err != nil {
			return common.Failed("chroot", c.String("chroot"), err)
		}
		// The working directory is still outside, and would be a way out (chroot(2)).
		if err := unix.Chdir("/"); err != nil {
			return common.Failed("chdir", "/", err)
		}
		common.Childf(c, "changed the root directory to %s", c.String("chroot"))
	}
	if c.Bool("pid") && c.Bool("mnt") {
		// The jail may have no /proc yet.
		if err := os.MkdirAll("/proc", 0o555); err != nil {
			return err
		}
		// ps reads /proc, and a proc shows the PID namespace of the process that mounts it.
		const mountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		if err := unix.Mount("proc", "/proc", "proc", mountFlags, ""); err != nil {
			return common.Failed("mount proc on", "/proc", err)
		}
		common.Childf(c, "mounted a new proc on /proc")
	}
	if c.IsSet("uts") {
		if err := unix.Sethostname([]byte(c.String("uts"))); err != nil {
			return common.Failed("sethostname", c.String("uts"), err)
		}
		common.Childf(c, "set the hostname to %s", c.String("uts"))
	}
	if c.IsSet("ipc") {
		if err := send(c); err != nil {
			return err
		}
	}
	return common.Exec(c)
}

// send asks for a message and sends it to the parent, if the queue is there.
func send(c *cli.Context) error {
	queue, err := common.OpenQueue(queueName)
	if errors.Is(err, unix.ENOENT) && c.String("ipc") == "yes" {
		fmt.Printf(" Child: no queue %s here: a new IPC namespace has no queues\n",
			queueName)
		return common.Yield()
	}
	if err != nil {
		return err
	}
	defer queue.Remove() // in case the parent has been killed
	common.Childf(c, "opened message queue %s", queueName)
	message, err := common.Ask("a message for the parent", 80)
	if err == nil && message != "" {
		err = queue.Send(message)
	}
	if err != nil {
		return err
	}
	return common.Yield() // to the parent, which prints the message first
}
