//go:build linux

package ldso

import (
	"bytes"
	"debug/elf"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/cpu"
)

// An abi is what the machine in an ELF header means for the dynamic linker of glibc.
type abi struct {
	class    elf.Class
	machine  elf.Machine
	mask     uint32 // these bits of e_flags
	eflags   uint32 // have this value
	interp   string // the interpreter of libraries, which name none
	muslArch string // in the name of musl's, for little endian
	flags    int32  // of its entries in ld.so.cache: sysdeps/generic/ldconfig.h
	platform string // $PLATFORM on the least CPU, from AT_PLATFORM
}

// Bits of e_flags, from elf.h of glibc.
const (
	armSoftFloat = 0x200
	armHardFloat = 0x400
	mipsABI2     = 0x020 // of n32
	mipsFP64     = 0x200
	mipsNaN2008  = 0x400
	ppc64ABI     = 0x003
	riscvFloat   = 0x006
	loongFloat   = 0x007
)

// abis lists what runs on today's Linux machines; see the ABI list of the glibc wiki. The
// first one that fits a header counts.
var abis = []abi{
	{
		elf.ELFCLASS64, elf.EM_X86_64, 0, 0,
		"/lib64/ld-linux-x86-64.so.2", "x86_64", 0x303, "x86_64",
	},
	{
		elf.ELFCLASS32, elf.EM_X86_64, 0, 0,
		"/libx32/ld-linux-x32.so.2", "x32", 0x803, "x86_64",
	},
	{
		elf.ELFCLASS32, elf.EM_386, 0, 0,
		"/lib/ld-linux.so.2", "i386", 0x003, "i686",
	},
	{
		elf.ELFCLASS64, elf.EM_AARCH64, 0, 0,
		"/lib/ld-linux-aarch64.so.1", "aarch64", 0xa03, "aarch64",
	},
	{
		elf.ELFCLASS32, elf.EM_ARM, armSoftFloat, armSoftFloat,
		"/lib/ld-linux.so.3", "arm", 0xb03, "v5l",
	},
	{
		elf.ELFCLASS32, elf.EM_ARM, 0, 0,
		"/lib/ld-linux-armhf.so.3", "armhf", 0x903, "v7l",
	},
	{
		elf.ELFCLASS64, elf.EM_RISCV, riscvFloat, 0,
		"/lib/ld-linux-riscv64-lp64.so.1", "riscv64-sf", 0xf03, "",
	},
	{
		elf.ELFCLASS64, elf.EM_RISCV, 0, 0,
		"/lib/ld-linux-riscv64-lp64d.so.1", "riscv64", 0x1003, "",
	},
	{
		elf.ELFCLASS64, elf.EM_PPC64, ppc64ABI, 1,
		"/lib64/ld64.so.1", "powerpc64", 0x503, "",
	},
	{
		elf.ELFCLASS64, elf.EM_PPC64, 0, 0,
		"/lib64/ld64.so.2", "powerpc64le", 0x503, "power8",
	},
	{
		elf.ELFCLASS64, elf.EM_S390, 0, 0,
		"/lib/ld64.so.1", "s390x", 0x403, "z900",
	},
	{
		elf.ELFCLASS64, elf.EM_MIPS, mipsNaN2008, mipsNaN2008,
		"/lib64/ld-linux-mipsn8.so.1", "mips64el", 0xe03, "mips64r6",
	},
	{
		elf.ELFCLASS64, elf.EM_MIPS, 0, 0,
		"/lib64/ld.so.1", "mips64el", 0x703, "mips64",
	},
	{
		elf.ELFCLASS32, elf.EM_MIPS, mipsABI2 | mipsNaN2008, mipsABI2 | mipsNaN2008,
		"/lib32/ld-linux-mipsn8.so.1", "mipsn32el", 0xd03, "",
	},
	{
		elf.ELFCLASS32, elf.EM_MIPS, mipsABI2, mipsABI2,
		"/lib32/ld.so.1", "mipsn32el", 0x603, "",
	},
	{
		elf.ELFCLASS32, elf.EM_MIPS, mipsNaN2008, mipsNaN2008,
		"/lib/ld-linux-mipsn8.so.1", "mipsel", 0xc03, "",
	},
	{
		elf.ELFCLASS32, elf.EM_MIPS, 0, 0,
		"/lib/ld.so.1", "mipsel", 0x003, "",
	},
	{
		elf.ELFCLASS64, elf.EM_SPARCV9, 0, 0,
		"/lib64/ld-linux.so.2", "sparc64", 0x103, "",
	},
	{
		elf.ELFCLASS64, elf.EM_LOONGARCH, loongFloat, 1,
		"/lib64/ld-linux-loongarch-lp64s.so.1", "loongarch64-sf", 0x1103, "",
	},
	{
		elf.ELFCLASS64, elf.EM_LOONGARCH, 0, 0,
		"/lib64/ld-linux-loongarch-lp64d.so.1", "loongarch64", 0x1203, "",
	},
}

// abi returns what is known of the header's machine; others get FLAG_ELF_LIBC6, which is
// right for those that have one ABI only.
func (h Header) abi() abi {
	for _, a := range abis {
		if a.class == h.Class && a.machine == h.Machine && h.Flags&a.mask == a.eflags {
			if h.Data == elf.ELFDATA2MSB {
				a.muslArch = strings.TrimSuffix(
					strings.TrimSuffix(a.muslArch, "el"), "le")
			}
			return a
		}
	}
	return abi{class: h.Class, machine: h.Machine, flags: 3}
}

// unfit tells why the dynamic linker of glibc doesn't load a library with this header
// into a program: open_verify() of elf/dl-load.c. After errOther it goes on with its
// search.
func (h Header) unfit(program Header) error {
	switch {
	case h.Class != program.Class:
		return errOther
	case h.Data != program.Data:
		return ErrByteSwap
	case h.badVersion:
		return ErrVersion
	case h.OSABI != elf.ELFOSABI_NONE && h.OSABI != elf.ELFOSABI_LINUX &&
		(h.OSABI != elfOSABIArm || program.Machine != elf.EM_ARM):
		return ErrOSABI
	case h.ABIVersion > h.lastABIVersion():
		return ErrABIVersion
	case h.badPadding:
		return ErrPadding
	case h.Machine != program.Machine:
		return errOther
	}
	return h.unfitFlags(program)
}

// elfOSABIArm is ELFOSABI_ARM_AEABI of elf.h.
const elfOSABIArm elf.OSABI = 64

// lastABIVersion returns the maximum EI_ABIVERSION that glibc accepts (its libc-abis).
func (h Header) lastABIVersion() byte {
	switch {
	case h.OSABI != elf.ELFOSABI_LINUX && h.Machine == elf.EM_MIPS:
		return 5
	case h.OSABI != elf.ELFOSABI_LINUX:
		return 0
	}
	switch h.Machine { // those that have indirect functions, and so one more
	case elf.EM_X86_64, elf.EM_386, elf.EM_PPC, elf.EM_PPC64,
		elf.EM_SPARC, elf.EM_SPARCV9,
		elf.EM_RISCV:
		return 3
	}
	return 2
}

// unfitFlags tells whether e_flags fit: elf_machine_matches_host() of each machine.
func (h Header) unfitFlags(program Header) error {
	differ := h.Flags ^ program.Flags
	switch h.Machine {
	case elf.EM_MIPS:
		if differ&(mipsABI2|mipsNaN2008) != 0 || h.Flags&mipsFP64 != 0 {
			return errOther
		}
	case elf.EM_RISCV:
		if differ&riscvFloat != 0 {
			return errOther
		}
	case elf.EM_PPC64:
		if differ&ppc64ABI != 0 && h.Flags&ppc64ABI != 0 && program.Flags&ppc64ABI != 0 {
			return errOther
		}
	case elf.EM_ARM:
		refused := uint32(armSoftFloat)
		if program.abi().flags == 0xb03 {
			refused = armHardFloat
		}
		if h.Flags>>24 == 5 && h.Flags&refused != 0 {
			return ErrFloat // that ends the search
		}
	}
	return nil
}

// A CPU is what a dynamic linker selects variants of libraries by.
type CPU struct {
	HWCaps   []string // subdirectories of glibc-hwcaps, the best first: ld.so(8)
	Platform string   // what $PLATFORM stands for

	legacy uint64 // the bits that an entry of ld.so.cache may have: see CacheEntry
}

// An entry for a directory named x86_64 has this bit. It stands for the machine, and so
// any CPU has it: sysdeps/x86/dl-hwcap.h, until glibc 2.36.
const (
	flagsX8664 = 0x303
	hwcapX8664 = 2
)

// HostCPU describes the CPU that this program runs on, for programs of its machine.
func HostCPU() CPU {
	if runtime.GOARCH != "amd64" {
		return CPU{}
	}
	// The levels are those of the x86-64 psABI. A virtual machine may lack one of the
	// features that aren't looked at here. Nothing is missing then, because the files for
	// any CPU are found too.
	x := cpu.X86
	v2 := x.HasSSE3 && x.HasSSSE3 && x.HasSSE41 && x.HasSSE42 && x.HasPOPCNT && x.HasCX16
	v3 := v2 && x.HasAVX && x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA
	v4 := v3 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD &&
		x.HasAVX512DQ && x.HasAVX512VL
	c := CPU{Platform: "x86_64"}
	if v4 {
		c.HWCaps = append(c.HWCaps, "x86-64-v4")
	}
	if v3 {
		c.HWCaps = append(c.HWCaps, "x86-64-v3")
		if isIntel() { // glibc calls no other CPU so: sysdeps/x86/cpu-features.c
			c.Platform = "haswell"
		}
	}
	if v2 {
		c.HWCaps = append(c.HWCaps, "x86-64-v2")
	}
	return c
}

// isIntel reports whether /proc/cpuinfo names Intel as the vendor of the first CPU.
func isIntel() bool {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return false
	}
	defer file.Close()
	text := make([]byte, 512) // the first lines; all of them take milliseconds
	n, _ := file.Read(text)
	return bytes.Contains(text[:n], []byte("GenuineIntel"))
}

// isHost reports whether HostCPU is meant for programs of this machine.
func (h Header) isHost() bool {
	return runtime.GOARCH == "amd64" && h.Machine == elf.EM_X86_64 &&
		h.Class == elf.ELFCLASS64
}

// fitsFlags reports whether the flags of an entry in ld.so.cache are those of an ABI.
// Some ABIs take the entries of old libraries too: _dl_cache_check_flags() of dl-cache.h.
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
