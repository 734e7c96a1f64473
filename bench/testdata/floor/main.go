//go:build linux

// Floor is what a Go program can't go below: it re-executes itself in the new
// namespaces that its first argument asks for, in clone flags, and becomes the
// command after it. It reads no options, reports nothing and cleans nothing up.
//
//	floor flags cmd [arg...]
package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// childName is the child's os.Args[0]: that marks it as the child.
const childName = "floor-child"

func main() {
	flags, err := strconv.ParseUint(os.Args[1], 0, 32)
	if err == nil && os.Args[0] == childName {
		err = child(uintptr(flags), os.Args[2:])
	} else if err == nil {
		err = parent(uintptr(flags))
	}
	if err != nil {
		os.Stderr.WriteString("floor: " + err.Error() + "\n")
		os.Exit(1)
	}
}

func parent(flags uintptr) error {
	cmd := exec.Cmd{
		Path:   "/proc/self/exe",
		Args:   append([]string{childName}, os.Args[1:]...),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,

		SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags},
	}
	return cmd.Run()
}

func child(flags uintptr, args []string) error {
	if flags&syscall.CLONE_NEWNS != 0 {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err == nil && flags&syscall.CLONE_NEWPID != 0 {
			err = syscall.Mount("proc", "/proc", "proc", 0, "")
		}
		if err != nil {
			return err
		}
	}
	return syscall.Exec(args[0], args, os.Environ())
}
