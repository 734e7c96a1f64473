//go:build linux

package ldso

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits for what a file may claim. They are far above what linkers write.
const (
	maxDynamic = 1 << 20 // bytes of a dynamic section: 65,536 entries of 64-bit ELF
	maxNeeds   = 4096    // names in it
	maxString  = 1 << 16 // bytes of an RPATH
	maxStrings = 1 << 20 // bytes of all names and paths
	maxDirs    = 1024    // directories of a search path
	maxNotes   = 1 << 16 // bytes of all notes
	maxObject  = 1 << 26 // bytes of a file that is searched for strings
)

// Errors of files that can't be loaded, in the words of the dynamic linker.
var (
	ErrShort    = errors.New("file too short")
	ErrMagic    = errors.New("invalid ELF header")
	ErrRegular  = errors.New("not a regular file")
	ErrByteSwap = errors.New("ELF file of another byte order")
	ErrOSABI    = errors.New("ELF file of another OS ABI")
	ErrType     = errors.New("ELF file that is neither a program nor a shared object")
	ErrProgram  = errors.New("cannot load a program as a library")
)

// A Header is the part of an ELF header that says who can load the file: elf(5).
type Header struct {
	Class      elf.Class // 32 or 64 bits
	Data       elf.Data  // byte order
	OSABI      elf.OSABI
	ABIVersion byte
	Type       elf.Type
	Machine    elf.Machine
}

// A File is what a dynamic linker wants to know of an ELF file.
type File struct {
	Header
	Interp     string // PT_INTERP: "" in static programs and in most libraries
	Soname     string // DT_SONAME
	Needs      []Need // in the order of the dynamic section
	Rpath      string // DT_RPATH, void if there is a DT_RUNPATH
	Runpath    string // DT_RUNPATH
	HasRunpath bool   // even an empty one hides the RPATHs
	Audit      []string
	NoDefLib   bool // DF_1_NODEFLIB
	PIE        bool // DF_1_PIE
	Dlopen     []Dlopen
}

// A Need is a name in a dynamic section that another file has to be found for.
type Need struct {
	Tag  elf.DynTag // DT_NEEDED, DT_FILTER or DT_AUXILIARY
	Name string
}

// ParseHeader reads the header from the first bytes of a file, 64 or more.
func ParseHeader(head []byte) (Header, error) {
	var h Header
	if len(head) < len(elf.ELFMAG) || string(head[:len(elf.ELFMAG)]) != elf.ELFMAG {
		if len(head) < 52 { // of 32-bit ELF
			return h, ErrShort
		}
		return h, ErrMagic
	}
	if len(head) < 52 {
		return h, ErrShort
	}
	h.Class, h.Data = elf.Class(head[elf.EI_CLASS]), elf.Data(head[elf.EI_DATA])
	h.OSABI, h.ABIVersion = elf.OSABI(head[elf.EI_OSABI]), head[elf.EI_ABIVERSION]
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case h.Class != elf.ELFCLASS32 && h.Class != elf.ELFCLASS64,
		h.Data != elf.ELFDATA2LSB && h.Data != elf.ELFDATA2MSB,
		head[elf.EI_VERSION] != byte(elf.EV_CURRENT):
		return h, ErrMagic
	case h.Class == elf.ELFCLASS64 && len(head) < 64:
		return h, ErrShort
	case h.Data == elf.ELFDATA2MSB:
		order = binary.BigEndian
	}
	h.Type = elf.Type(order.Uint16(head[16:]))
	h.Machine = elf.Machine(order.Uint16(head[18:]))
	return h, nil
}

// ParseFile reads an ELF file. It relies on the program headers alone, as the kernel and
// the dynamic linker do: section headers may be missing or wrong. The header is valid
// even with an error, if there was enough of it to have a machine.
func ParseFile(r io.ReaderAt) (*File, error) { return parseFile(r, make([]byte, headSize)) }

// headSize is how much of a file is read first. As a rule that is all that is needed but
// the dynamic section.
const headSize = 4096

func parseFile(r io.ReaderAt, head []byte) (*File, error) {
	f := &File{}
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return f, err
	}
	head = head[:n]
	if f.Header, err = ParseHeader(head); err != nil {
		return f, err
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return f, ErrType
	}
	forgetSections(head, f.Class)
	var im image
	if im.File, err = elf.NewFile(&buffered{head, r}); err != nil {
		return f, fmt.Errorf("%w: %v", ErrMagic, err)
	}
	var interp, dynamic *elf.Prog
	notes := uint64(maxNotes)
	for _, p := range im.Progs {
		switch p.Type {
		case elf.PT_INTERP: // the kernel takes the first one,
			interp = cmp.Or(interp, p)
		case elf.PT_DYNAMIC: // the dynamic linker the last one
			dynamic = p
		case elf.PT_NOTE:
			if p.Filesz <= notes {
				notes -= p.Filesz
				f.Dlopen = append(f.Dlopen, im.dlopen(p)...)
			}
		}
	}
	if interp != nil {
		err = im.interp(f, interp)
	}
	if dynamic != nil && err == nil {
		err = im.dynamic(f, dynamic)
	}
	return f, err
}

// forgetSections clears e_shoff, e_shnum and e_shstrndx, or debug/elf would read all
// sections, and fail where they are bogus.
func forgetSections(head []byte, class elf.Class) {
	if class == elf.ELFCLASS64 {
		clear(head[40:48])
		clear(head[60:64])
	} else {
		clear(head[32:36])
		clear(head[48:52])
	}
}

// buffered reads the first bytes of a file from memory.
type buffered struct {
	head []byte
	r    io.ReaderAt
}

func (b *buffered) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= 0 && offset <= int64(len(b.head)-len(p)) {
		return copy(p, b.head[offset:]), nil
	}
	return b.r.ReadAt(p, offset)
}

// An image is an ELF file as it will lie in memory.
type image struct{ *elf.File }

// at reads up to n bytes at a virtual address, as many as there are in the file.
func (im *image) at(address, n uint64) ([]byte, error) {
	for _, p := range im.Progs {
		if p.Type == elf.PT_LOAD && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			skip := address - p.Vaddr
			b := make([]byte, min(n, p.Filesz-skip))
			read, err := p.ReadAt(b, int64(skip))
			if err == io.EOF { // the file is shorter than it says
				err = nil
			}
			return b[:read], err
		}
	}
	return nil, fmt.Errorf("no segment holds the address %#x", address)
}

// interp reads the name of the interpreter as the kernel does: load_elf_binary().
func (im *image) interp(f *File, p *elf.Prog) error {
	if p.Filesz < 2 || p.Filesz > 4096 {
		return fmt.Errorf("PT_INTERP of %d bytes", p.Filesz)
	}
	b := make([]byte, p.Filesz)
	if _, err := p.ReadAt(b, 0); err != nil {
		return fmt.Errorf("PT_INTERP: %w", ErrShort)
	}
	if b[len(b)-1] != 0 {
		return errors.New("PT_INTERP doesn't end in a NUL")
	}
	name, _, _ := bytes.Cut(b, []byte{0})
	f.Interp = string(name)
	return nil
}

// dynamic reads the dynamic section. The dynamic linker finds it by its address.
func (im *image) dynamic(f *File, p *elf.Prog) error {
	b, err := im.at(p.Vaddr, min(p.Memsz, maxDynamic))
	if err != nil {
		return fmt.Errorf("dynamic section: %w", err)
	}
	type entry struct {
		tag   elf.DynTag
		value uint64
	}
	var entries []entry
	size := 8
	if f.Class == elf.ELFCLASS64 {
		size = 16
	}
	table := stringTable{im: im}
	for ; ; b = b[size:] {
		if len(b) < size {
			return errors.New("dynamic section doesn't end in DT_NULL")
		}
		var e entry
		if size == 16 {
			e.tag, e.value = elf.DynTag(im.ByteOrder.Uint64(b)), im.ByteOrder.Uint64(b[8:])
		} else {
			e.tag, e.value = elf.DynTag(int32(im.ByteOrder.Uint32(b))), uint64(im.ByteOrder.Uint32(b[4:]))
		}
		switch e.tag {
		case elf.DT_STRTAB:
			table.address = e.value
		case elf.DT_STRSZ:
			table.size = e.value
		case elf.DT_FLAGS_1:
			f.NoDefLib = e.value&uint64(elf.DF_1_NODEFLIB) != 0
			f.PIE = e.value&uint64(elf.DF_1_PIE) != 0
		case elf.DT_NEEDED, elf.DT_FILTER, elf.DT_AUXILIARY, elf.DT_SONAME, elf.DT_RPATH,
			elf.DT_RUNPATH, elf.DT_AUDIT, elf.DT_DEPAUDIT:
			entries = append(entries, e)
		}
		if e.tag == elf.DT_NULL {
			break
		}
	}
	if len(entries) > maxNeeds {
		return fmt.Errorf("%d names in the dynamic section, more than %d", len(entries), maxNeeds)
	}
	total := 0
	for _, e := range entries { // the string table may come last
		s, err := table.at(e.value)
		if total += len(s); err == nil && total > maxStrings {
			err = fmt.Errorf("more than %d bytes of names", maxStrings)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", e.tag, err)
		}
		switch e.tag {
		case elf.DT_NEEDED, elf.DT_FILTER, elf.DT_AUXILIARY:
			f.Needs = append(f.Needs, Need{e.tag, s})
		case elf.DT_SONAME:
			f.Soname = s
		case elf.DT_RPATH:
			f.Rpath = s
		case elf.DT_RUNPATH:
			f.Runpath, f.HasRunpath = s, true
		case elf.DT_AUDIT, elf.DT_DEPAUDIT:
			f.Audit = append(f.Audit, s)
		}
	}
	return nil
}

// A stringTable reads strings, which as a rule lie close to each other.
type stringTable struct {
	im            *image
	address, size uint64
	window        []byte // what was read last,
	start         uint64 // from this offset
}

func (t *stringTable) at(offset uint64) (string, error) {
	if offset >= t.size {
		return "", fmt.Errorf("string at %d of a table of %d bytes", offset, t.size)
	}
	if offset >= t.start && offset-t.start < uint64(len(t.window)) {
		if s, _, ok := bytes.Cut(t.window[offset-t.start:], []byte{0}); ok {
			return string(s), nil
		}
	}
	for _, n := range []uint64{1024, maxString + 1} {
		window, err := t.im.at(t.address+offset, min(n, t.size-offset))
		if err != nil {
			return "", err
		}
		t.window, t.start = window, offset
		if s, _, ok := bytes.Cut(window, []byte{0}); ok {
			return string(s), nil
		}
	}
	return "", fmt.Errorf("string at %d doesn't end", offset)
}
