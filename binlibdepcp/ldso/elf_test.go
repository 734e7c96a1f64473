//go:build linux

package ldso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An elfSpec describes an ELF file for a test: what a dynamic linker looks at, and
// nothing else. The zero value is a 64-bit little endian library for x86-64.
type elfSpec struct {
	class    elf.Class
	data     elf.Data
	machine  elf.Machine
	kind     elf.Type
	osabi    elf.OSABI
	interp   string
	soname   string
	needed   []string
	more     []dyn // further entries with strings
	flags1   elf.DynFlag1
	rpath    string
	runpath  string
	note     []byte
	extra    string // bytes at the end, as an interpreter's strings
	static   bool   // no dynamic section
	sections bool   // bogus section headers
}

type dyn struct {
	tag  elf.DynTag
	text string
}

func (s elfSpec) bytes() []byte {
	if s.class == 0 {
		s.class = elf.ELFCLASS64
	}
	if s.data == 0 {
		s.data = elf.ELFDATA2LSB
	}
	if s.machine == 0 {
		s.machine = elf.EM_X86_64
	}
	if s.kind == 0 {
		s.kind = elf.ET_DYN
	}
	var order binary.ByteOrder = binary.LittleEndian
	if s.data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	is64 := s.class == elf.ELFCLASS64
	headerSize, phdrSize, dynSize := 52, 32, 8
	if is64 {
		headerSize, phdrSize, dynSize = 64, 56, 16
	}
	const phnum = 4

	// The image: header, program headers, strings, notes, dynamic section. Addresses are
	// offsets.
	texts := []byte{0}
	text := func(t string) uint64 {
		at := len(texts)
		texts = append(append(texts, t...), 0)
		return uint64(at)
	}
	interp := text(s.interp)
	var dynamic []uint64
	add := func(tag elf.DynTag, value uint64) {
		dynamic = append(dynamic,
			uint64(tag), value)
	}
	for _, name := range s.needed {
		add(elf.DT_NEEDED, text(name))
	}
	for _, d := range s.more {
		add(d.tag, text(d.text))
	}
	for _, d := range []dyn{
		{elf.DT_SONAME, s.soname},
		{elf.DT_RPATH, s.rpath},
		{elf.DT_RUNPATH, s.runpath},
	} {
		if d.text != "" {
			add(d.tag, text(d.text))
		}
	}
	if s.flags1 != 0 {
		add(elf.DT_FLAGS_1, uint64(s.flags1))
	}
	start := headerSize + phnum*phdrSize
	add(elf.DT_STRTAB, uint64(start))
	add(elf.DT_STRSZ, uint64(len(texts)))
	add(elf.DT_NULL, 0)
	for len(texts)%8 != 0 {
		texts = append(texts, 0)
	}
	noteAt := start + len(texts)
	dynamicAt := (noteAt + len(s.note) + 7) &^ 7
	dynamicSize := len(dynamic) / 2 * dynSize
	end := dynamicAt + dynamicSize + len(s.extra)

	b := make([]byte, end)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = byte(s.class), byte(s.data), 1
	b[elf.EI_OSABI] = byte(s.osabi)
	order.PutUint16(b[16:], uint16(s.kind))
	order.PutUint16(b[18:], uint16(s.machine))
	order.PutUint32(b[20:], 1)
	if is64 {
		order.PutUint64(b[32:], uint64(headerSize))
		order.PutUint16(b[52:], uint16(headerSize))
		order.PutUint16(b[54:], uint16(phdrSize))
		order.PutUint16(b[56:], phnum)
	} else {
		order.PutUint32(b[28:], uint32(headerSize))
		order.PutUint16(b[40:], uint16(headerSize))
		order.PutUint16(b[42:], uint16(phdrSize))
		order.PutUint16(b[44:], phnum)
	}
	if s.sections {
		for i := 40; i < 48; i++ {
			b[i] = 0xff // e_shoff
		}
		order.PutUint16(b[60:], 7)
	}
	phdr := func(i int, kind elf.ProgType, offset, size int) {
		p := b[headerSize+i*phdrSize:]
		if size == 0 {
			kind = elf.PT_NULL
		}
		order.PutUint32(p, uint32(kind))
		if is64 {
			order.PutUint64(p[8:], uint64(offset))
			order.PutUint64(p[16:], uint64(offset))
			order.PutUint64(p[32:], uint64(size))
			order.PutUint64(p[40:], uint64(size))
			return
		}
		order.PutUint32(p[4:], uint32(offset))
		order.PutUint32(p[8:], uint32(offset))
		order.PutUint32(p[16:], uint32(size))
		order.PutUint32(p[20:], uint32(size))
	}
	interpSize := 0
	if s.interp != "" {
		interpSize = len(s.interp) + 1
	}
	if s.static {
		dynamicSize = 0
	}
	phdr(0, elf.PT_LOAD, 0, end)
	phdr(1, elf.PT_INTERP, start+int(interp), interpSize)
	phdr(2, elf.PT_DYNAMIC, dynamicAt, dynamicSize)
	phdr(3, elf.PT_NOTE, noteAt, len(s.note))

	copy(b[start:], texts)
	copy(b[noteAt:], s.note)
	at := b[dynamicAt:]
	for _, value := range dynamic {
		if is64 {
			order.PutUint64(at, value)
			at = at[8:]
		} else {
			order.PutUint32(at, uint32(value))
			at = at[4:]
		}
	}
	copy(b[end-len(s.extra):], s.extra)
	return b
}

// parseBytes parses a file that consists of these bytes.
func parseBytes(b []byte) (*File, error) {
	return parseFile(bytes.NewReader(b), make([]byte, headSize))
}

func TestParseFile(t *testing.T) {
	spec := elfSpec{
		interp: "/lib/ld.so", soname: "libx.so.1", needed: []string{
			"liba.so", "dir/libb.so",
		},
		more: []dyn{
			{elf.DT_FILTER, "libf.so"},
			{elf.DT_AUXILIARY, "libaux.so"},
			{elf.DT_AUDIT, "liba1.so:liba2.so"},
		},
		rpath: "$ORIGIN", runpath: "/opt/lib", flags1: elf.DF_1_NODEFLIB | elf.DF_1_PIE,
	}
	want := &File{
		Interp: "/lib/ld.so", Soname: "libx.so.1",
		Needs: []Need{
			{elf.DT_NEEDED, "liba.so"},
			{elf.DT_NEEDED, "dir/libb.so"},
			{elf.DT_FILTER, "libf.so"},
			{elf.DT_AUXILIARY, "libaux.so"},
		},
		Rpath: "$ORIGIN", Runpath: "/opt/lib", HasRunpath: true, Audit: []string{
			"liba1.so:liba2.so",
		},
		NoDefLib: true, PIE: true,
	}
	for _, kind := range []struct {
		class   elf.Class
		data    elf.Data
		machine elf.Machine
	}{
		{elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_X86_64},
		{
			elf.ELFCLASS32,
			elf.ELFDATA2LSB, elf.EM_386,
		},
		{elf.ELFCLASS64, elf.ELFDATA2MSB, elf.EM_S390},
		{
			elf.ELFCLASS32,
			elf.ELFDATA2MSB, elf.EM_MIPS,
		},
	} {
		spec.class, spec.data, spec.machine = kind.class, kind.data, kind.machine
		want.Header = Header{
			Class: kind.class, Data: kind.data, Type: elf.ET_DYN,
			Machine: kind.machine,
		}
		got, err := parseBytes(spec.bytes())
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}

	static, err := parseBytes(elfSpec{
		static: true, kind: elf.ET_EXEC,
		sections: true,
	}.bytes())
	require.NoError(t, err, "bogus section headers don't matter")
	assert.Empty(t, static.Needs)
}

// What a file claims is checked, whatever is wrong with it.
func TestParseFileLies(t *testing.T) {
	good := elfSpec{interp: "/lib/ld.so", needed: []string{"liba.so"}}.bytes()
	dynamic := len(good) - 4*16 // DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_NULL
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	le := binary.LittleEndian
	phdr := func(b []byte, i int) []byte { return b[64+56*i:] }
	many := elfSpec{needed: make([]string, maxNeeds+1)}.bytes()
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"nothing":       {nil, "file too short"},
		"a short text":  {[]byte("hello\n"), "file too short"},
		"a text":        {bytes.Repeat([]byte("hello\n"), 20), "invalid ELF header"},
		"half a header": {good[:40], "file too short"},
		"a class of 7": {
			change(func(b []byte) { b[elf.EI_CLASS] = 7 }),
			"invalid ELF header",
		},
		"an object file": {elfSpec{kind: elf.ET_REL}.bytes(), "neither a program nor"},
		"no phdrs":       {good[:64], "invalid ELF header: EOF"},
		"many phdrs": {
			change(func(b []byte) { le.PutUint16(b[56:], 0xffff) }),
			"invalid ELF header",
		},
		"phdrs far away": {
			change(func(b []byte) { le.PutUint64(b[32:], 1<<62) }),
			"invalid ELF header",
		},
		"interp of 0": {
			change(func(b []byte) { le.PutUint64(phdr(b, 1)[32:], 1) }),
			"PT_INTERP of 1 bytes",
		},
		"interp of 1 GiB": {change(func(b []byte) {
			le.PutUint64(phdr(b, 1)[32:],
				1<<30)
		}), "PT_INTERP of 1073741824 bytes"},
		"interp NUL first": {change(func(b []byte) {
			le.PutUint64(phdr(b, 1)[32:],
				uint64(len("/lib/ld.so")+2))
		}), "doesn't end in a NUL"},
		"interp no NUL": {
			change(func(b []byte) { le.PutUint64(phdr(b, 1)[32:], 4) }),
			"doesn't end in a NUL",
		},
		"interp past end": {change(func(b []byte) {
			le.PutUint64(phdr(b, 1)[8:],
				1<<40)
		}), "PT_INTERP: file too short"},
		"dynamic nowhere": {change(func(b []byte) {
			le.PutUint64(phdr(b, 2)[16:],
				1<<40)
		}), "no segment holds the address"},
		"dynamic cut": {
			change(func(b []byte) { le.PutUint64(phdr(b, 2)[40:], 16) }),
			"doesn't end in DT_NULL",
		},
		"string far away": {change(func(b []byte) {
			le.PutUint64(b[dynamic+8:],
				1<<40)
		}), "string at 1099511627776 of a table of"},
		"table nowhere": {change(func(b []byte) {
			le.PutUint64(b[dynamic+16+8:],
				1<<40)
		}), "no segment holds the address"},
		"a long string": {elfSpec{needed: []string{string(bytes.Repeat([]byte("x"),
			maxString+1))}}.bytes(), "more than the limit of 65536 bytes"},
		"too many needs": {many, "4097 names in the dynamic section"},
	} {
		_, err := parseBytes(c.bytes)
		assert.ErrorContains(t, err, c.want, name)
	}
}

var leBytes = binary.LittleEndian

// withSegments returns an ELF file that has a program header of its own, the i-th, many
// times more.
func withSegments(b []byte, i, times int) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint64(b[32:], uint64(len(b)))
	binary.LittleEndian.PutUint16(b[56:], uint16(4+times))
	headers := bytes.Clone(b[64 : 64+4*56])
	b = append(b, headers...)
	return append(b, bytes.Repeat(headers[i*56:(i+1)*56], times)...)
}

// Segments and strings that are the same bytes over and over cost nothing more.
func TestParseFileRepeats(t *testing.T) {
	b := elfSpec{
		interp: "/first", needed: []string{"liba.so"},
		note: note("FDO\x00", noteDlopen, `[{"soname":["libz.so"]}]`),
	}.bytes()
	for i, what := range []string{"PT_LOAD", "PT_INTERP", "PT_DYNAMIC"} {
		f, err := parseBytes(withSegments(b, i, 2000))
		require.NoError(t, err, what)
		assert.Equal(t, "/first", f.Interp)
		assert.Len(t, f.Needs, 1, what)
		assert.Len(t, f.Dlopen, 1, what)
	}
	f, err := parseBytes(withSegments(b, 3, 2000))
	require.NoError(t, err)
	assert.Less(t, len(f.Dlopen), 2000)

	// The kernel takes the first PT_INTERP.
	two := withSegments(b, 1, 1)
	binary.LittleEndian.PutUint64(two[len(two)-56+8:],
		uint64(bytes.Index(two, []byte("liba.so"))))
	binary.LittleEndian.PutUint64(two[len(two)-56+32:], uint64(len("liba.so\x00")))
	f, err = parseBytes(two)
	require.NoError(t, err)
	assert.Equal(t, "/first", f.Interp)

	// 4,000 names, each a part of one long string.
	spec := elfSpec{
		needed: []string{strings.Repeat("x", maxString-1)},
		more:   make([]dyn, 4000),
	}
	for i := range spec.more {
		spec.more[i].tag = elf.DT_NEEDED
	}
	long := spec.bytes()
	dynamic := len(long) - (4000+4)*16
	for i := range 4000 {
		// the interpreter's "" is at 1
		binary.LittleEndian.PutUint64(long[dynamic+16*(i+1)+8:], uint64(2+i))
	}
	_, err = parseBytes(long)
	assert.ErrorContains(t, err, "more than the limit of 1048576 bytes of names")
}

func TestParseDlopen(t *testing.T) {
	order := binary.LittleEndian
	got, err := ParseDlopen(append(note("GNU\x00", 3, "abcde"),
		note("FDO\x00", noteDlopen,
			`[{"feature":"zip","soname":["libz.so.1","libzz.so"],"priority":"suggested"},{"soname":["liba.so"]}]`)...), order, 4)
	require.NoError(t, err)
	assert.Equal(t, []Dlopen{
		{
			Feature: "zip", Soname: []string{"libz.so.1", "libzz.so"},
			Priority: "suggested",
		},
		{Soname: []string{"liba.so"}, Priority: "recommended"},
	}, got)
	_, err = ParseDlopen(note("FDO\x00", noteDlopen,
		"[{}"+strings.Repeat(",{}", maxDlopen)+"]"), order, 4)
	assert.ErrorContains(t, err, "more than 256 libraries")
	_, err = ParseDlopen(note("FDO\x00", noteDlopen, "no JSON"), order, 4)
	assert.ErrorContains(t, err, "dlopen note")
	_, err = ParseDlopen([]byte("\xff\xff\xff\xff\xff\xff\xff\xff0000"), order, 4)
	assert.ErrorContains(t, err, "note of")
	f, err := parseBytes(elfSpec{note: note("FDO\x00", noteDlopen,
		`[{"soname":["liba.so"]}]`)}.bytes())
	require.NoError(t, err)
	assert.Len(t, f.Dlopen, 1)
}

func note(owner string, kind uint32, desc string) []byte {
	var b []byte
	for _, n := range []uint32{uint32(len(owner)), uint32(len(desc)), kind} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = append(append(b, owner...), desc...)
	return append(b, make([]byte, -len(b)&3)...)
}
