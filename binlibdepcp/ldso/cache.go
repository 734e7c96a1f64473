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
	// an optional first part, for libc5 and old glibc
	cacheMagicOld  = "ld.so-1.7.0"
	cacheMagic     = "glibc-ld.so.cache1.1" // the part that counts
	cacheHeader    = 48                     // bytes of its header,
	cacheEntry     = 24                     // and of an entry
	cacheEntryOld  = 12
	extensionMagic = 0xeaa42174
	extensionHWCap = 1         // the tag of the list of glibc-hwcaps subdirectories
	hwcapExtension = 1 << 62   // in an entry's hwcap: the lower half is its index there,
	hwcapFree      = 1<<42 - 1 // and above it come bits of the ISA level

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
	if len(b) > MaxCache {
		return nil, limitError(MaxCache, "bytes")
	}
	r, err := newCacheReader(b)
	if err != nil {
		return nil, err
	}
	cache := make(Cache, len(r.entries)/cacheEntry)
	for i := range cache {
		if cache[i], err = r.entry(r.entries[cacheEntry*i:]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return cache, nil
}

// A cacheReader takes entries out of an ld.so.cache.
type cacheReader struct {
	order   binary.ByteOrder
	entries []byte
	texts   string   // the part that counts: the strings are in it
	file    string   // the whole file: the names of subdirectories are in it,
	hwcaps  []uint32 // at these offsets
	// bytes of all strings, of which many may be the same bytes of the file
	total int
}

func newCacheReader(file []byte) (*cacheReader, error) {
	b, err := skipOldCache(file)
	switch {
	case err != nil:
		return nil, err
	case !bytes.HasPrefix(b, []byte(cacheMagic)):
		return nil, errors.New("no " + cacheMagic)
	case len(b) < cacheHeader:
		return nil, ErrShort
	}
	r := &cacheReader{order: cacheOrder(b)}
	n := uint64(r.order.Uint32(b[20:]))
	if n > maxCacheEntries(b) {
		return nil, fmt.Errorf("%d entries: %w", n, ErrShort)
	}
	r.entries = b[cacheHeader : cacheHeader+n*cacheEntry]
	// all strings are parts of it: a small file makes no large cache
	r.file = string(file)
	r.texts = r.file[len(file)-len(b):]
	r.hwcaps, err = parseHWCaps(file, r.order.Uint32(b[32:]), r.order)
	return r, err
}

// skipOldCache returns what comes after the part of the old format.
func skipOldCache(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte(cacheMagicOld)) {
		return b, nil
	}
	// The number of entries is at 12; padding aligns the new part to 8.
	if len(b) < 16 {
		return nil, ErrShort
	}
	n := uint64(binary.LittleEndian.Uint32(b[12:]))
	if n > uint64(len(b)) { // of the other byte order
		n = uint64(binary.BigEndian.Uint32(b[12:]))
	}
	skip := (16 + n*cacheEntryOld + 7) &^ 7
	if skip > uint64(len(b)) {
		return nil, ErrShort
	}
	return b[skip:], nil
}

// cacheOrder returns the byte order. Before glibc 2.33 the header doesn't tell: then it
// is the one in which the number of entries makes sense.
func cacheOrder(b []byte) binary.ByteOrder {
	little := binary.LittleEndian.Uint32(b[20:])
	switch b[28] & 3 {
	case cacheBig:
		return binary.BigEndian
	case 0:
		if uint64(little) > maxCacheEntries(b) {
			return binary.BigEndian
		}
	}
	return binary.LittleEndian
}

// maxCacheEntries returns how many entries there is room for.
func maxCacheEntries(b []byte) uint64 { return uint64(len(b)-cacheHeader) / cacheEntry }

func (r *cacheReader) entry(raw []byte) (e CacheEntry, err error) {
	e.Flags = int32(r.order.Uint32(raw))
	if e.Name, err = r.text(r.texts, r.order.Uint32(raw[4:])); err != nil {
		return e, err
	}
	if e.Path, err = r.text(r.texts, r.order.Uint32(raw[8:])); err != nil {
		return e, err
	}
	hwcap := r.order.Uint64(raw[16:])
	if hwcap&^hwcapFree != hwcapExtension {
		e.legacy = hwcap
		return e, nil
	}
	index := uint64(uint32(hwcap))
	if index >= uint64(len(r.hwcaps)) {
		return e, fmt.Errorf("subdirectory %d of %d", index, len(r.hwcaps))
	}
	e.HWCap, err = r.text(r.file, r.hwcaps[index])
	return e, err
}

// text returns the string at an offset.
func (r *cacheReader) text(texts string, offset uint32) (string, error) {
	if uint64(offset) >= uint64(len(texts)) {
		return "", fmt.Errorf("string at %d of %d bytes", offset, len(texts))
	}
	rest := texts[offset:]
	s, _, ok := strings.Cut(rest[:min(len(rest), 4097)], "\x00")
	if !ok {
		return "", errors.New("string without an end")
	}
	if r.total += len(s); r.total > 2*MaxCache {
		return "", limitError(2*MaxCache, "bytes of names and paths")
	}
	return s, nil
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
		start, size := uint64(order.Uint32(section[8:])), uint64(
			order.Uint32(section[12:]))
		if start+size > uint64(len(file)) {
			return nil, fmt.Errorf("extension of %d bytes: %w", size, ErrShort)
		}
		if size/4 > maxHWCaps {
			return nil, limitError(maxHWCaps, "glibc-hwcaps subdirectories")
		}
		offsets := make([]uint32, size/4)
		for j := range offsets {
			offsets[j] = order.Uint32(file[start+4*uint64(j):])
		}
		return offsets, nil
	}
	return nil, nil
}

// Lookup returns the file of a library for an ABI: the best one for the CPU, or else the
// first one in the cache.
func (c Cache) Lookup(name string, flags int32, cpu CPU) (path string, ok bool) {
	return c.equal(name, flags).best(flags, cpu)
}

// equal returns the entries of a name. It searches as the dynamic linker does,
// search_cache() of elf/dl-cache.c: what compares as equal is what is looked for.
func (c Cache) equal(name string, flags int32) Cache {
	signed := signedChar(flags)
	left, right := 0, len(c)-1
	for left <= right {
		i := (left + right) / 2
		switch order := compareNames(name, c[i].Name, signed); {
		case order < 0:
			left = i + 1
		case order > 0:
			right = i - 1
		default:
			first, last := i, i
			for first > 0 && compareNames(name, c[first-1].Name, signed) == 0 {
				first--
			}
			for last < len(c) && compareNames(name, c[last].Name, signed) == 0 {
				last++
			}
			return c[first:last]
		}
	}
	return nil
}

// best returns the best of the entries of a name. Those in subdirectories of glibc-hwcaps
// come first.
func (c Cache) best(flags int32, cpu CPU) (path string, ok bool) {
	best := len(cpu.HWCaps)
	for _, e := range c {
		switch rank := slices.Index(cpu.HWCaps, e.HWCap); {
		case !fitsFlags(e.Flags, flags) || e.legacy&^cpu.legacy != 0:
		case e.HWCap == "" && !ok:
			return e.Path, true
		case e.HWCap == "":
			return path, ok
		case rank >= 0 && rank < best:
			best, path, ok = rank, e.Path, true
		}
	}
	return path, ok
}

// Kept returns the entries of files that are there, and beside them those of the same
// name whose files are gone: the dynamic linker takes the best entry of a name, and looks
// elsewhere if its file isn't there, instead of taking the next one.
func (c Cache) Kept(isThere, isGone func(path string) bool) (kept Cache) {
	for len(c) > 0 {
		first, n := c[0], 1
		signed := signedChar(first.Flags)
		for n < len(c) && compareNames(first.Name, c[n].Name, signed) == 0 {
			n++
		}
		if slices.ContainsFunc(c[:n],
			func(e CacheEntry) bool { return isThere(e.Path) }) {
			for _, e := range c[:n] {
				if isThere(e.Path) || isGone(e.Path) {
					kept = append(kept, e)
				}
			}
		}
		c = c[n:]
	}
	return kept
}

// compareNames orders names as _dl_cache_libcmp() of elf/dl-cache.c: a run of digits
// counts by its value, and comes after other characters. The value is an int, and a long
// run overflows it: so does this one. Bytes are compared as C's char, which has a sign on
// some machines: there, a byte above 127 comes before the end of a name.
func compareNames(a, b string, signed bool) int {
	char := func(s string) int {
		switch {
		case s == "":
			return 0
		case signed:
			return int(int8(s[0]))
		}
		return int(s[0])
	}
	for a != "" {
		digitA, digitB := isDigit(a[0]), b != "" && isDigit(b[0])
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
		case b == "" || a[0] != b[0]:
			return cmp.Compare(char(a), char(b))
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(0, char(b))
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
	c = c.sorted()
	w := cacheWriter{
		order: order, start: cacheHeader + cacheEntry*len(c),
		offsets: map[string]uint32{}, hwcaps: c.hwcaps(),
	}
	for _, e := range c {
		w.entry(e)
	}
	extension, at := w.extension()
	flags := byte(cacheLittle)
	if order.String() == binary.BigEndian.String() {
		flags = cacheBig
	}
	b := order.AppendUint32([]byte(cacheMagic), uint32(len(c)))
	b = order.AppendUint32(b, uint32(len(w.texts)))
	b = append(b, flags, 0, 0, 0)
	b = order.AppendUint32(b, uint32(at))
	b = append(b, make([]byte, cacheHeader-len(b))...)
	return slices.Concat(b, w.entries, w.texts, extension)
}

// sorted returns the entries in the order that the dynamic linker relies on.
func (c Cache) sorted() Cache {
	unsigned := func(e CacheEntry) bool { return !signedChar(e.Flags) }
	signed := !slices.ContainsFunc(c, unsigned)
	c = slices.Clone(c)
	slices.SortStableFunc(c, func(a, b CacheEntry) int {
		return cmp.Or(
			compareNames(b.Name, a.Name, signed),
			cmp.Compare(b.Flags, a.Flags),
			cmp.Compare(b.HWCap, a.HWCap), // the baseline last
			cmp.Compare(b.legacy, a.legacy))
	})
	return c
}

// hwcaps returns the names of the subdirectories of glibc-hwcaps, sorted.
func (c Cache) hwcaps() (names []string) {
	for _, e := range c {
		if e.HWCap != "" && !slices.Contains(names, e.HWCap) {
			names = append(names, e.HWCap)
		}
	}
	slices.Sort(names)
	return names
}

// A cacheWriter collects the parts of an ld.so.cache.
type cacheWriter struct {
	order   binary.AppendByteOrder
	entries []byte
	texts   []byte
	start   int               // where the texts will be in the file
	offsets map[string]uint32 // of each text there
	hwcaps  []string
}

func (w *cacheWriter) text(s string) uint32 {
	at, ok := w.offsets[s]
	if !ok {
		at = uint32(w.start + len(w.texts))
		w.offsets[s] = at
		w.texts = append(append(w.texts, s...), 0)
	}
	return at
}

func (w *cacheWriter) entry(e CacheEntry) {
	hwcap := e.legacy
	if e.HWCap != "" {
		hwcap = hwcapExtension | uint64(slices.Index(w.hwcaps, e.HWCap))
	}
	w.entries = w.order.AppendUint32(w.entries, uint32(e.Flags))
	w.entries = w.order.AppendUint32(w.entries, w.text(e.Name))
	w.entries = w.order.AppendUint32(w.entries, w.text(e.Path))
	w.entries = w.order.AppendUint32(w.entries, 0)
	w.entries = w.order.AppendUint64(w.entries, hwcap)
}

// extension returns what comes after the texts: the directory of extensions, and the only
// one, the list of subdirectories; and the offset of that directory, 0 if there is none.
func (w *cacheWriter) extension() (b []byte, at int) {
	if len(w.hwcaps) == 0 {
		return nil, 0
	}
	var list []byte
	for _, name := range w.hwcaps {
		list = w.order.AppendUint32(list, w.text(name))
	}
	end := w.start + len(w.texts)
	at = (end + 3) &^ 3
	b = make([]byte, at-end)
	for _, n := range []uint32{extensionMagic, 1, // and its tag, flags, offset and size
		extensionHWCap, 0, uint32(at + 24), uint32(len(list))} {
		b = w.order.AppendUint32(b, n)
	}
	return append(b, list...), at
}
