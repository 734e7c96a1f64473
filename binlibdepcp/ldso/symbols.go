//go:build linux

package ldso

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"
	"sync"
)

// unwinders are the functions of glibc that open libgcc_s.so.1 when they are called:
// they unwind the stack, and that library knows how. No header of the caller names the
// library. If it can't be opened, pthread_exit(3) and pthread_cancel(3) abort the
// process.
var unwinders = []string{
	"backtrace\x00", "pthread_cancel\x00", "pthread_exit\x00", "thrd_exit\x00",
}

// bringsUnwinder reports whether the file has libgcc_s.so.1 loaded in any case. Its
// symbols needn't be read then; those of C++ take longer than all others.
func (f *File) bringsUnwinder() bool {
	return slices.ContainsFunc(f.Needs, func(need Need) bool {
		return need.Name == "libgcc_s.so.1" || need.Name == "libstdc++.so.6"
	})
}

// maxSymbols and maxSymbolNames limit what is read of a symbol table: its entries, and
// the bytes of the string table.
const (
	maxSymbols     = 1 << 17
	maxSymbolNames = 16 << 20
)

// symbolBuffers are used again for the next file: garbage collections would take longer
// than the reading.
var symbolBuffers = sync.Pool{New: func() any { return new([2][]byte) }}

// A symbolTable tells where the symbols of a dynamic section are.
type symbolTable struct{ address, hash, gnuHash uint64 }

// unwinders returns which of them the file calls: those that its dynamic symbol table has
// as undefined. A table that makes no sense is no reason not to load a file.
func (im *image) unwinders(table *stringTable) (calls []string) {
	size := uint64(elf.Sym32Size)
	if im.Class == elf.ELFCLASS64 {
		size = elf.Sym64Size
	}
	buffers := symbolBuffers.Get().(*[2][]byte)
	defer symbolBuffers.Put(buffers)
	count := min(im.undefined(table, size), maxSymbols)
	symbols, err := im.into(buffers[0], table.symbols.address, size*count)
	if err != nil {
		return nil
	}
	names, err := im.into(buffers[1], table.address, min(table.size, maxSymbolNames))
	if err != nil {
		return nil
	}
	buffers[0], buffers[1] = symbols, names
	section := 14 // where st_shndx is: elf(5)
	if im.Class == elf.ELFCLASS64 {
		section = 6
	}
	for ; uint64(len(symbols)) >= size; symbols = symbols[size:] {
		name := uint64(im.ByteOrder.Uint32(symbols))
		if im.ByteOrder.Uint16(symbols[section:]) != uint16(elf.SHN_UNDEF) ||
			name >= uint64(len(names)) {
			continue
		}
		for _, function := range unwinders {
			if bytes.HasPrefix(names[name:], []byte(function)) {
				calls = append(calls, strings.TrimSuffix(function, "\x00"))
			}
		}
	}
	return calls
}

// undefined returns how many symbols of a table to read to see all that are undefined.
// Nothing tells the length of the table itself.
func (im *image) undefined(table *stringTable, size uint64) uint64 {
	t := table.symbols
	// The GNU hash table leaves out undefined symbols, so that they come first. Its
	// second number is the index of the first symbol that it has; but GNU ld writes 1 if
	// there is none.
	if b, err := im.at(t.gnuHash, 8); err == nil && t.gnuHash != 0 && len(b) == 8 {
		if first := im.ByteOrder.Uint32(b[4:]); first > 1 {
			return uint64(first)
		}
	} else if b, err := im.at(t.hash, 8); err == nil && t.hash != 0 && len(b) == 8 {
		return uint64(im.ByteOrder.Uint32(b[4:])) // nchain: as many as there are symbols
	}
	if table.address < t.address {
		return 0
	}
	// linkers put the strings behind the symbols
	return (table.address - t.address) / size
}
