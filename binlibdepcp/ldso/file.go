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
	"slices"
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
	ErrShort      = errors.New("file too short")
	ErrMagic      = errors.New("invalid ELF header")
	ErrRegular    = errors.New("not a regular file")
	ErrChanged    = errors.New("another file has the name now")
	ErrByteSwap   = errors.New("ELF file of another byte order")
	ErrVersion    = errors.New("ELF file of another version")
	ErrOSABI      = errors.New("ELF file of another OS ABI")
	ErrABIVersion = errors.New("ELF file of another ABI version")
	ErrPadding    = errors.New("ELF file with nonzero padding in e_ident")
	ErrFloat      = errors.New("ELF file of another floating-point ABI")
	ErrType       = errors.New("ELF file that is neither a program nor a shared object")
	ErrPhentsize  = errors.New("ELF file with program headers of an unexpected size")
	ErrSegments   = errors.New("object file has no loadable segments")
	ErrAlignment  = errors.New("ELF load command address/offset not page-aligned")
	ErrDynamic    = errors.New("object file has no dynamic section")
	ErrProgram    = errors.New("cannot load a program as a library")
)

// A Header is the part of an ELF header that says who can load the file: elf(5).
type Header struct {
	Class      elf.Class // 32 or 64 bits
	Data       elf.Data  // byte order
	OSABI      elf.OSABI
	ABIVersion byte
	Type       elf.Type
	Machine    elf.Machine
	Flags      uint32 // e_flags, by which some machines tell their ABIs apart

	// What glibc refuses in a library, and the kernel accepts in a program.
	badVersion   bool // EI_VERSION or e_version isn't 1; musl doesn't mind
	badPadding   bool // e_ident doesn't end in zeroes
	badPhentsize bool // the kernel refuses that too
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
	Unwinders  []string // functions of glibc that it calls and that open libgcc_s.so.1

	flaw error // why it is no library, though the header is one
}

// A Need is a name in a dynamic section that another file has to be found for.
type Need struct {
	Tag  elf.DynTag // DT_NEEDED, DT_FILTER or DT_AUXILIARY
	Name string
}

// Sizes of ELF and program headers of 32 and 64 bits.
const (
	ehdr32, phdr32 = 52, 32
	ehdr64, phdr64 = 64, 56
)

// ParseHeader reads the header from the first bytes of a file, 64 or more. The result has
// a class, or a byte order, if there is an ELF header, even if that is invalid.
func ParseHeader(head []byte) (Header, error) {
	var h Header
	switch {
	case len(head) < ehdr32:
		return h, ErrShort
	case string(head[:len(elf.ELFMAG)]) != elf.ELFMAG:
		return h, ErrMagic
	case elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64 && len(head) < ehdr64:
		return h, ErrShort
	}
	h.Class, h.Data = elf.Class(head[elf.EI_CLASS]), elf.Data(head[elf.EI_DATA])
	h.OSABI, h.ABIVersion = elf.OSABI(head[elf.EI_OSABI]), head[elf.EI_ABIVERSION]
	padding := bytes.Trim(head[elf.EI_PAD:elf.EI_NIDENT], "\x00")
	h.badPadding = len(padding) > 0
	var order binary.ByteOrder = binary.LittleEndian
	if h.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	h.Type = elf.Type(order.Uint16(head[16:]))
	h.Machine = elf.Machine(order.Uint16(head[18:]))
	h.badVersion = head[elf.EI_VERSION] != byte(elf.EV_CURRENT) ||
		order.Uint32(head[20:]) != 1
	switch h.Class {
	case elf.ELFCLASS32:
		h.Flags = order.Uint32(head[36:])
		h.badPhentsize = order.Uint16(head[42:]) != phdr32
	case elf.ELFCLASS64:
		h.Flags = order.Uint32(head[48:])
		h.badPhentsize = order.Uint16(head[54:]) != phdr64
	default:
		return h, ErrMagic
	}
	if h.Data != elf.ELFDATA2LSB && h.Data != elf.ELFDATA2MSB {
		return h, ErrMagic
	}
	return h, nil
}

// headSize is how much of a file is read first. In most files that is enough for all but
// the dynamic section.
const headSize = 4096

// parseFile reads an ELF file; head is room for its first bytes. It relies on the program
// headers alone, as the kernel and the dynamic linker do: section headers may be missing
// or wrong. The header is valid even with an error, if there was enough of it to have a
// machine.
func parseFile(r io.ReaderAt, head []byte) (*File, error) {
	f := &File{}
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	head = head[:n]
	if f.Header, err = ParseHeader(head); err != nil {
		return f, err
	}
	switch {
	case f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN:
		return f, ErrType
	case f.badPhentsize:
		return f, ErrPhentsize
	}
	forgetSections(head, f.Class)
	setVersion(head, f.Data)
	var im image
	if im.File, err = elf.NewFile(&buffered{head, r}); err != nil {
		return f, fmt.Errorf("%w: %w", ErrMagic, err)
	}
	interp, dynamic := im.scan(f)
	if errors.Is(f.flaw, ErrSegments) {
		return f, f.flaw
	}
	if interp != nil {
		err = im.interp(f, interp)
	}
	if dynamic != nil && err == nil {
		err = im.dynamic(f, dynamic)
	}
	return f, err
}

// scan reads the notes, finds the segments to read next, and looks for what a library
// must have.
func (im *image) scan(f *File) (interp, dynamic *elf.Prog) {
	notes, loads := uint64(maxNotes), false
	for _, p := range im.Progs {
		switch p.Type {
		case elf.PT_INTERP: // the kernel takes the first one,
			interp = cmp.Or(interp, p)
		case elf.PT_DYNAMIC: // the dynamic linker the last one
			dynamic = p
		case elf.PT_LOAD:
			loads = true
			if (p.Vaddr-p.Off)&(minPage-1) != 0 {
				f.flaw = ErrAlignment
			}
		case elf.PT_NOTE:
			if p.Filesz <= notes {
				notes -= p.Filesz
				f.Dlopen = append(f.Dlopen, im.dlopen(p)...)
			}
		}
	}
	switch {
	case f.flaw != nil:
	case !loads:
		f.flaw = ErrSegments
	case dynamic == nil:
		f.flaw = ErrDynamic
	case dynamic.Filesz == 0: // in a file with debugging information alone
		f.flaw, dynamic = ErrDynamic, nil
	}
	return interp, dynamic
}

// minPage is the least size of a page on any machine.
const minPage = 4096

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

// setVersion sets the versions in the header, or debug/elf would refuse others.
func setVersion(head []byte, data elf.Data) {
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	head[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	order.PutUint32(head[20:], uint32(elf.EV_CURRENT))
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
func (im *image) at(address, n uint64) ([]byte, error) { return im.into(nil, address, n) }

// into is like at. It reads into b where that has room.
func (im *image) into(b []byte, address, n uint64) ([]byte, error) {
	for _, p := range im.Progs {
		if p.Type == elf.PT_LOAD && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			skip := address - p.Vaddr
			n = min(n, p.Filesz-skip)
			b = slices.Grow(b[:0], int(n))[:n]
			read, err := p.ReadAt(b, int64(skip))
			if errors.Is(err, io.EOF) { // the file is shorter than it says
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

// A dynEntry is an entry of a dynamic section.
type dynEntry struct {
	tag   elf.DynTag
	value uint64
}

// dynamic reads the dynamic section. The dynamic linker finds it by its address.
func (im *image) dynamic(f *File, p *elf.Prog) error {
	b, err := im.at(p.Vaddr, min(p.Memsz, maxDynamic))
	if err != nil {
		return fmt.Errorf("dynamic section: %w", err)
	}
	table := stringTable{im: im}
	names, err := im.entries(f, b, &table)
	if err == nil && len(names) > maxNeeds {
		err = fmt.Errorf("%d names in the dynamic section: %w", len(names),
			limitError(maxNeeds, "names"))
	}
	if err != nil {
		return err
	}
	total := 0
	for _, e := range names { // only now, since the string table may come last
		s, err := table.at(e.value)
		if total += len(s); err == nil && total > maxStrings {
			err = limitError(maxStrings, "bytes of names")
		}
		if err != nil {
			return fmt.Errorf("%v: %w", e.tag, err)
		}
		f.setName(e.tag, s)
	}
	if !f.bringsUnwinder() {
		f.Unwinders = im.unwinders(&table)
	}
	return nil
}

// entries reads the entries of a dynamic section, and returns those that name something.
func (im *image) entries(
	f *File, b []byte, table *stringTable,
) (names []dynEntry, err error) {
	for {
		var e dynEntry
		if e, b, err = im.entry(b); err != nil {
			return nil, err
		}
		switch e.tag {
		case elf.DT_NULL:
			return names, nil
		case elf.DT_STRTAB:
			table.address = e.value
		case elf.DT_STRSZ:
			table.size = e.value
		case elf.DT_SYMTAB:
			table.symbols.address = e.value
		case elf.DT_HASH:
			table.symbols.hash = e.value
		case elf.DT_GNU_HASH:
			table.symbols.gnuHash = e.value
		case elf.DT_FLAGS_1:
			f.NoDefLib = e.value&uint64(elf.DF_1_NODEFLIB) != 0
			f.PIE = e.value&uint64(elf.DF_1_PIE) != 0
		case elf.DT_NEEDED, elf.DT_FILTER, elf.DT_AUXILIARY, elf.DT_SONAME, elf.DT_RPATH,
			elf.DT_RUNPATH, elf.DT_AUDIT, elf.DT_DEPAUDIT:
			names = append(names, e)
		}
	}
}

// entry cuts the first entry off a dynamic section.
func (im *image) entry(b []byte) (e dynEntry, rest []byte, err error) {
	size := 8
	if im.Class == elf.ELFCLASS64 {
		size = 16
	}
	if len(b) < size {
		return e, nil, errors.New("dynamic section doesn't end in DT_NULL")
	}
	if size == 16 {
		e.tag, e.value = elf.DynTag(im.ByteOrder.Uint64(b)), im.ByteOrder.Uint64(b[8:])
	} else {
		e.tag, e.value = elf.DynTag(int32(im.ByteOrder.Uint32(b))), uint64(
			im.ByteOrder.Uint32(b[4:]))
	}
	return e, b[size:], nil
}

// setName notes what an entry of the dynamic section names.
func (f *File) setName(tag elf.DynTag, name string) {
	switch tag {
	case elf.DT_NEEDED, elf.DT_FILTER, elf.DT_AUXILIARY:
		f.Needs = append(f.Needs, Need{tag, name})
	case elf.DT_SONAME:
		f.Soname = name
	case elf.DT_RPATH:
		f.Rpath = name
	case elf.DT_RUNPATH:
		f.Runpath, f.HasRunpath = name, true
	case elf.DT_AUDIT, elf.DT_DEPAUDIT:
		f.Audit = append(f.Audit, name)
	}
}

// A stringTable reads strings, most of which lie close to each other.
type stringTable struct {
	im            *image
	address, size uint64
	symbols       symbolTable // of which it has the names
	window        []byte      // what was read last,
	start         uint64      // from this offset
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
	if len(t.window) > maxString {
		return "", limitError(maxString, "bytes")
	}
	return "", fmt.Errorf("string at %d doesn't end", offset)
}
