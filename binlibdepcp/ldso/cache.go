//go:build linux

package ldso

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The layout of ld.so.cache, from sysdeps/generic/dl-cache.h of glibc.
const (
	cacheMagicOld  = "ld.so-1.7.0"          // an optional first part, for libc5 and old glibc
	cacheMagic     = "glibc-ld.so.cache1.1" // the part that counts
	cacheHeader    = 48                     // bytes of its header,
	cacheEntry     = 24                     // and of an entry
	cacheEntryOld  = 12
	extensionMagic = 0xeaa42174
	extensionHWCap = 1       // the tag of the list of glibc-hwcaps subdirectories
	hwcapExtension = 1 << 62 // in an entry's hwcap: the rest is an index of that list

	cacheLittle, cacheBig = 2, 3 // byte order in the header's flags, 0 says nothing
)

// A CacheEntry is a library that ldconfig(8) has found.
type CacheEntry struct {
	Name  string // its soname, as in DT_NEEDED
	Path  string // its file
	Flags int32  // its ABI, FLAG_* of sysdeps/generic/ldconfig.h: 0x303 is x86-64
	HWCap string // the glibc-hwcaps subdirectory that it is in, such as x86-64-v3, or ""

	// legacy are bits that select a library for some CPUs as well, until glibc 2.36.
	legacy uint64
}

// A Cache is the content of ld.so.cache, in descending order of the names.
type Cache []CacheEntry

// ParseCache reads an ld.so.cache of either byte order.
func ParseCache(b []byte) (Cache, error) {
	file, order := b, binary.ByteOrder(binary.LittleEndian)
	if bytes.HasPrefix(b, []byte(cacheMagicOld)) {
		// The number of entries is at 12; padding aligns the new part to 8.
		if len(b) < 16 {
			return nil, ErrShort
		}
		n := uint64(order.Uint32(b[12:]))
		if n > uint64(len(b)) { // of the other byte order
			n = uint64(binary.BigEndian.Uint32(b[12:]))
		}
		skip := (16 + n*cacheEntryOld + 7) &^ 7
		if skip > uint64(len(b)) {
			return nil, ErrShort
		}
		b = b[skip:]
	}
	if !bytes.HasPrefix(b, []byte(cacheMagic)) {
		return nil, errors.New("no " + cacheMagic)
	}
	if len(b) < cacheHeader {
		return nil, ErrShort
	}
	if b[28]&3 == cacheBig {
		order = binary.BigEndian
	}
	n := uint64(order.Uint32(b[20:]))
	if n > uint64(len(b)-cacheHeader)/cacheEntry {
		return nil, fmt.Errorf("%d entries: %w", n, ErrShort)
	}
	whole := string(file) // which all strings are parts of, so that a small file makes no large cache
	text := func(start int, offset uint32) (string, error) {
		if uint64(offset) >= uint64(len(whole)-start) {
			return "", fmt.Errorf("string at %d of %d bytes", offset, len(whole)-start)
		}
		rest := whole[start+int(offset):]
		s, _, ok := strings.Cut(rest[:min(len(rest), 4097)], "\x00")
		if !ok {
			return "", errors.New("string without an end")
		}
		return s, nil
	}
	hwcaps, err := parseHWCaps(file, order.Uint32(b[32:]), order)
	if err != nil {
		return nil, err
	}
	cache := make(Cache, n)
	for i := range cache {
		raw, e := b[cacheHeader+cacheEntry*i:], &cache[i]
		e.Flags = int32(order.Uint32(raw))
		if e.Name, err = text(len(file)-len(b), order.Uint32(raw[4:])); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if e.Path, err = text(len(file)-len(b), order.Uint32(raw[8:])); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		hwcap := order.Uint64(raw[16:])
		if hwcap&hwcapExtension == 0 {
			e.legacy = hwcap
			continue
		}
		index := uint64(uint32(hwcap))
		if index >= uint64(len(hwcaps)) {
			return nil, fmt.Errorf("entry %d: subdirectory %d of %d", i, index, len(hwcaps))
		}
		if e.HWCap, err = text(0, hwcaps[index]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return cache, nil
}

// parseHWCaps returns the offsets of the names of the glibc-hwcaps subdirectories. They
// are in an extension of the file, after a directory of extensions at the offset given.
func parseHWCaps(file []byte, offset uint32, order binary.ByteOrder) ([]uint32, error) {
	if offset == 0 {
		return nil, nil
	}
	at := uint64(offset)
	if at+8 > uint64(len(file)) || order.Uint32(file[at:]) != extensionMagic {
		return nil, errors.New("bad extension")
	}
	n := uint64(order.Uint32(file[at+4:]))
	if n > (uint64(len(file))-at-8)/16 {
		return nil, fmt.Errorf("%d extensions: %w", n, ErrShort)
	}
	for i := range n {
		section := file[at+8+16*i:] // tag, flags, offset, size
		if order.Uint32(section) != extensionHWCap {
			continue
		}
		start, size := uint64(order.Uint32(section[8:])), uint64(order.Uint32(section[12:]))
		if start+size > uint64(len(file)) {
			return nil, fmt.Errorf("extension of %d bytes: %w", size, ErrShort)
		}
		offsets := make([]uint32, size/4)
		for j := range offsets {
			offsets[j] = order.Uint32(file[start+4*uint64(j):])
		}
		return offsets, nil
	}
	return nil, nil
}

// Lookup returns the file of a library for an ABI: the best one for the CPU, the first
// one in the cache else. It searches as the dynamic linker does, search_cache() of
// elf/dl-cache.c: what compares as equal is what is looked for.
func (c Cache) Lookup(name string, flags int32, cpu CPU) (path string, ok bool) {
	left, right := 0, len(c)-1
	for left <= right {
		i := (left + right) / 2
		switch order := compareNames(name, c[i].Name); {
		case order < 0:
			left = i + 1
		case order > 0:
			right = i - 1
		default:
			for i > 0 && compareNames(name, c[i-1].Name) == 0 {
				i--
			}
			return c[i:].first(name, flags, cpu)
		}
	}
	return "", false
}

// first returns the best of the entries of a name, with which the cache begins.
func (c Cache) first(name string, flags int32, cpu CPU) (path string, ok bool) {
	best := len(cpu.HWCaps) + 1
	for _, e := range c {
		if compareNames(name, e.Name) != 0 {
			break
		}
		rank := len(cpu.HWCaps)
		if e.HWCap != "" {
			rank = slices.Index(cpu.HWCaps, e.HWCap)
		}
		if e.Flags == flags && e.legacy == 0 && rank >= 0 && rank < best {
			best, path, ok = rank, e.Path, true
		}
	}
	return path, ok
}

// compareNames orders names as _dl_cache_libcmp() of elf/dl-cache.c: a run of digits
// counts by its value, and comes after other characters. The value is an int, and a long
// run overflows it: so does this one.
func compareNames(a, b string) int {
	for a != "" && b != "" {
		digitA, digitB := isDigit(a[0]), isDigit(b[0])
		switch {
		case digitA && digitB:
			var x, y int32
			x, a = cutNumber(a)
			y, b = cutNumber(b)
			if x != y {
				return cmp.Compare(x-y, 0)
			}
		case digitA:
			return 1
		case digitB:
			return -1
		case a[0] != b[0]:
			return cmp.Compare(a[0], b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(len(a), len(b))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// cutNumber takes the digits off the front of s.
func cutNumber(s string) (number int32, rest string) {
	for s != "" && isDigit(s[0]) {
		number = number*10 + int32(s[0]-'0')
		s = s[1:]
	}
	return number, s
}

// Bytes returns the cache as the content of an ld.so.cache, in the byte order given.
func (c Cache) Bytes(order binary.AppendByteOrder) []byte {
	c = slices.Clone(c)
	slices.SortStableFunc(c, func(a, b CacheEntry) int {
		return cmp.Or(
			compareNames(b.Name, a.Name),
			cmp.Compare(b.Flags, a.Flags),
			cmp.Compare(b.HWCap, a.HWCap), // the baseline last
			cmp.Compare(b.legacy, a.legacy))
	})
	var hwcaps []string
	for _, e := range c {
		if e.HWCap != "" && !slices.Contains(hwcaps, e.HWCap) {
			hwcaps = append(hwcaps, e.HWCap)
		}
	}
	slices.Sort(hwcaps)

	var texts []byte
	offsets := map[string]uint32{}
	text := func(s string) uint32 {
		at, ok := offsets[s]
		if !ok {
			at = uint32(cacheHeader + cacheEntry*len(c) + len(texts))
			offsets[s] = at
			texts = append(append(texts, s...), 0)
		}
		return at
	}
	var entries []byte
	for _, e := range c {
		hwcap := e.legacy
		if e.HWCap != "" {
			hwcap = hwcapExtension | uint64(slices.Index(hwcaps, e.HWCap))
		}
		entries = order.AppendUint32(entries, uint32(e.Flags))
		entries = order.AppendUint32(entries, text(e.Name))
		entries = order.AppendUint32(entries, text(e.Path))
		entries = order.AppendUint32(entries, 0)
		entries = order.AppendUint64(entries, hwcap)
	}
	var extension []byte
	for _, name := range hwcaps {
		extension = order.AppendUint32(extension, text(name))
	}
	end := cacheHeader + len(entries) + len(texts)
	pad := -end & 3
	if len(hwcaps) == 0 {
		end, pad = 0, 0
	}

	b := []byte(cacheMagic)
	b = order.AppendUint32(b, uint32(len(c)))
	b = order.AppendUint32(b, uint32(len(texts)))
	flags := byte(cacheLittle)
	if order.String() == binary.BigEndian.String() {
		flags = cacheBig
	}
	b = append(b, flags, 0, 0, 0)
	b = order.AppendUint32(b, uint32(end+pad))
	b = append(b, make([]byte, cacheHeader-len(b))...)
	b = append(append(b, entries...), texts...)
	if len(hwcaps) > 0 {
		b = append(b, make([]byte, pad)...)
		b = order.AppendUint32(b, extensionMagic)
		b = order.AppendUint32(b, 1)
		for _, n := range []int{extensionHWCap, 0, end + pad + 24, len(extension)} {
			b = order.AppendUint32(b, uint32(n))
		}
		b = append(b, extension...)
	}
	return b
}
