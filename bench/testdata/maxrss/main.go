//go:build linux

// Maxrss runs a command and prints the peak of its memory in KiB: ru_maxrss, see
// getrusage(2). A child that shares its parent's memory until execve(2), and Go starts
// them so, begins with the parent's peak. That is why this parent is a small one.
//
//	maxrss /path/of/cmd [arg...]
package main

import (
	"os"
	"strconv"
	"syscall"
)

func main() {
	pid, err := syscall.ForkExec(os.Args[1], os.Args[1:],
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 2, 2}})
	var status syscall.WaitStatus
	var usage syscall.Rusage
	if err == nil {
		_, err = syscall.Wait4(pid, &status, 0, &usage)
	}
	if err != nil || status != 0 {
		os.Stderr.WriteString("maxrss: " + os.Args[1] + " failed\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.FormatInt(usage.Maxrss, 10) + "\n")
}
