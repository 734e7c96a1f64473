//go:build linux

// Package bpf names the parts of a seccomp(2) filter: the instructions, and what they
// read. A filter is a program of the classic Berkeley Packet Filter.
package bpf

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// The instructions. Each has a constant, K. A comparison also has two numbers of
// instructions to skip, Jt if it is true and Jf if not.
const (
	Load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS   // the 32 bits at K
	Equal   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K  // they are K
	AtLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K  // they are K or more
	AnyBit  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K // they have a bit of K
	Answer  = unix.BPF_RET | unix.BPF_K                 // K, to the kernel
)

// Where Load finds the call: a struct seccomp_data, on a little-endian machine.
const (
	Number         = 0  // of the system call
	Architecture   = 4  // that the number belongs to
	FirstArgument  = 16 // its lower half
	SecondArgument = 24 // its lower half
)

// The answers.
const (
	Allow    = unix.SECCOMP_RET_ALLOW
	Kill     = unix.SECCOMP_RET_KILL_PROCESS
	Refuse   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	NotThere = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Native is the architecture that this program was built for.
var Native = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64,
}[runtime.GOARCH]

// X32 is a bit in the numbers of the x32 ABI, which the architecture amd64 has too.
const X32 = 1 << 30

// Namespaces are the flags of clone(2) that make namespaces.
const Namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS |
	unix.CLONE_NEWUTS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP
