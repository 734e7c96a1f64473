//go:build linux

package ldso

import (
	"debug/elf"
	"runtime"

	"golang.org/x/sys/cpu"
)

// An abi is what the machine in an ELF header means for the dynamic linker of glibc.
type abi struct {
	class    elf.Class
	machine  elf.Machine
	interp   string // the interpreter of libraries, which name none
	muslArch string // in the name of musl's
	flags    int32  // of its entries in ld.so.cache: sysdeps/generic/ldconfig.h
	platform string // $PLATFORM on the least CPU, from AT_PLATFORM
}

// abis lists what runs on today's Linux machines; see the ABI list of the glibc wiki.
var abis = []abi{
	{elf.ELFCLASS64, elf.EM_X86_64, "/lib64/ld-linux-x86-64.so.2", "x86_64", 0x303, "x86_64"},
	{elf.ELFCLASS32, elf.EM_X86_64, "/libx32/ld-linux-x32.so.2", "x32", 0x803, "x86_64"},
	{elf.ELFCLASS32, elf.EM_386, "/lib/ld-linux.so.2", "i386", 0x003, "i686"},
	{elf.ELFCLASS64, elf.EM_AARCH64, "/lib/ld-linux-aarch64.so.1", "aarch64", 0xa03, "aarch64"},
	{elf.ELFCLASS32, elf.EM_ARM, "/lib/ld-linux-armhf.so.3", "armhf", 0x903, "v7l"},
	{elf.ELFCLASS64, elf.EM_RISCV, "/lib/ld-linux-riscv64-lp64d.so.1", "riscv64", 0x1003, ""},
	{elf.ELFCLASS64, elf.EM_PPC64, "/lib64/ld64.so.2", "powerpc64le", 0x503, "power8"},
	{elf.ELFCLASS64, elf.EM_S390, "/lib/ld64.so.1", "s390x", 0x403, "z900"},
	{elf.ELFCLASS64, elf.EM_LOONGARCH, "/lib64/ld-linux-loongarch-lp64d.so.1", "loongarch64", 0x1203, ""},
}

// abi returns what is known of the header's machine; others get FLAG_ELF_LIBC6, which is
// right for those that have one ABI only. Of Arm it knows the hard-float one.
func (h Header) abi() abi {
	for _, a := range abis {
		if a.class == h.Class && a.machine == h.Machine {
			return a
		}
	}
	return abi{class: h.Class, machine: h.Machine, flags: 3}
}

// A CPU is what a dynamic linker selects variants of libraries by.
type CPU struct {
	HWCaps   []string // subdirectories of glibc-hwcaps, the best first: ld.so(8)
	Platform string   // what $PLATFORM stands for
}

// HostCPU describes the CPU that this program runs on, for programs of its machine.
func HostCPU() CPU {
	if runtime.GOARCH != "amd64" {
		return CPU{}
	}
	// The levels are those of the x86-64 psABI. A virtual machine may lack one of the
	// features that aren't looked at here, or be no Intel one, the only kind that glibc
	// calls haswell; nothing is missing then, as what any CPU takes is found too.
	x := cpu.X86
	v2 := x.HasSSE3 && x.HasSSSE3 && x.HasSSE41 && x.HasSSE42 && x.HasPOPCNT && x.HasCX16
	v3 := v2 && x.HasAVX && x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA
	v4 := v3 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL
	c := CPU{Platform: "x86_64"}
	if v4 {
		c.HWCaps = append(c.HWCaps, "x86-64-v4")
	}
	if v3 {
		c.HWCaps = append(c.HWCaps, "x86-64-v3")
		c.Platform = "haswell" // sysdeps/x86/cpu-features.c
	}
	if v2 {
		c.HWCaps = append(c.HWCaps, "x86-64-v2")
	}
	return c
}

// isHost reports whether HostCPU is meant for programs of this machine.
func (h Header) isHost() bool {
	return runtime.GOARCH == "amd64" && h.Machine == elf.EM_X86_64 && h.Class == elf.ELFCLASS64
}

// fitsFlags reports whether the flags of an entry in ld.so.cache are those of an ABI. Some
// ABIs take the entries of old libraries too: _dl_cache_check_flags() of dl-cache.h.
func fitsFlags(entry, abi int32) bool {
	switch abi {
	case 0x003: // FLAG_ELF_LIBC6
		return entry == abi || entry == 0x001 // FLAG_ELF
	case 0x903, 0xb03: // Arm with hard and soft float
		return entry == abi || entry == 0x003
	}
	return entry == abi
}

// signedChar reports whether C's char has a sign on the machines of an ABI.
func signedChar(flags int32) bool {
	switch flags {
	case 0x403, 0x503, 0x903, 0xa03, 0xb03, 0xf03, 0x1003: // s390x, POWER, Arm, RISC-V
		return false
	}
	return true
}
