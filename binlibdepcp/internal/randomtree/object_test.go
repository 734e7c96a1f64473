//go:build linux

package randomtree

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An abi is a dynamic linker with the programs that it starts.
type abi struct {
	name   string
	flag   string   // of gcc
	interp string   // PT_INTERP
	libc   string   // its file on this machine, "" if that is the interpreter
	system []string // the system directories
}

var abis = []abi{
	{
		"x86-64", "-m64", "/lib64/ld-linux-x86-64.so.2",
		"/lib/x86_64-linux-gnu/libc.so.6",
		[]string{
			"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
			"/lib", "/usr/lib",
		},
	},
	{
		"i386", "-m32", "/lib/ld-linux.so.2", "/lib32/libc.so.6",
		[]string{"/lib32", "/usr/lib32", "/lib", "/usr/lib"},
	},
	{
		"musl", "-m64", "/lib/ld-musl-x86_64.so.1", "",
		[]string{"/lib", "/usr/local/lib", "/usr/lib"},
	},
}

func findABI(name string) abi {
	for _, a := range abis {
		if a.name == name {
			return a
		}
	}
	return abi{}
}

// Room in the templates.
const (
	roomStrings = 4000
	roomInterp  = 200
	roomOpens   = 1024 // opens[] of testdata/opens.c, and the note
	mark        = 0x6e73
)

// A template is an ELF file with room for other strings and dynamic entries.
type template struct {
	bytes                         []byte
	file                          *elf.File
	strings, interp, opens, notes int // offsets in bytes
	stringsIndex                  uint64
	dynamic                       *elf.Prog
}

// makeTemplates compiles a program and a library for each word size.
func makeTemplates(dir string) (map[string]*template, error) {
	all := map[string]*template{}
	for _, flag := range []string{"-m64", "-m32"} {
		for _, kind := range []string{"program", "library"} {
			args := []string{
				flag, "-O1", "-fPIC", "-fno-stack-protector", "-nostdlib",
				"-fcf-protection=none", "-fno-asynchronous-unwind-tables",
				"-o", filepath.Join(dir, kind+flag), "testdata/" + kind + ".c",
				"-Wl,--spare-dynamic-tags=64,--enable-new-dtags,--hash-style=both",
				"-Wl,-z,norelro,-z,noseparate-code,-z,max-page-size=4096,--build-id=none",
				"-Wl,-rpath," + strings.Repeat("X", roomStrings),
			}
			if kind == "program" {
				interp := "/" + strings.Repeat("Y", roomInterp)
				args = append(args, "-pie", "-Wl,-z,now,--dynamic-linker="+interp)
			} else {
				args = append(args, "-shared", "-Wl,-e,entry")
			}
			if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("gcc %s: %w\n%s", flag, err, out)
			}
			b, err := os.ReadFile(filepath.Join(dir, kind+flag))
			if err != nil {
				return nil, err
			}
			if all[kind+flag], err = newTemplate(b); err != nil {
				return nil, fmt.Errorf("%s: %w", kind+flag, err)
			}
		}
	}
	return all, nil
}

func newTemplate(b []byte) (*template, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	t := &template{
		bytes: b, file: f,
		strings: bytes.Index(b, bytes.Repeat([]byte("X"), roomStrings)),
		interp:  bytes.Index(b, bytes.Repeat([]byte("Y"), roomInterp)) - 1,
		opens:   bytes.Index(b, []byte("OPENS")),
		notes:   bytes.Index(b, []byte("FDO\x00")) + 4,
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_DYNAMIC {
			t.dynamic = p
		}
	}
	table, err := f.DynValue(elf.DT_STRTAB)
	if err != nil || t.strings < 0 || t.opens < 0 || t.notes < 4 || t.dynamic == nil {
		return nil, fmt.Errorf("not as expected: %w", err)
	}
	t.stringsIndex = uint64(t.strings) - table[0] // addresses are offsets there
	return t, nil
}

var le = binary.LittleEndian

var dynamicTags = map[string]elf.DynTag{
	"NEEDED": elf.DT_NEEDED, "FILTER": elf.DT_FILTER, "AUXILIARY": elf.DT_AUXILIARY,
	"SONAME": elf.DT_SONAME, "RPATH": elf.DT_RPATH, "RUNPATH": elf.DT_RUNPATH,
}

// object returns the ELF file of a node.
func (t *template) object(n *node) ([]byte, error) {
	b := bytes.Clone(t.bytes)
	if t.interp >= 0 {
		room := b[t.interp : t.interp+1+roomInterp]
		clear(room)
		copy(room, n.interp())
	}
	texts := b[t.strings : t.strings+roomStrings]
	clear(texts)
	used := 0
	var entries []uint64
	for _, a := range n.attributes {
		tag, ok := dynamicTags[a.key]
		switch {
		case a.key == "NODEFLIB":
			entries = append(entries, uint64(elf.DT_FLAGS_1), uint64(elf.DF_1_NODEFLIB))
		case ok:
			entries = append(entries, uint64(tag), t.stringsIndex+uint64(used))
			used += copy(texts[used:], a.value) + 1
		}
	}
	if used >= roomStrings {
		return nil, fmt.Errorf("no room for %d bytes of strings", used)
	}
	if err := t.setDynamic(b, entries); err != nil {
		return nil, err
	}
	t.setOpens(b, values(n.attributes, "DLOPEN"))
	return damage(b, value(n.attributes, "HEADER")), nil
}

// setDynamic puts entries in front of those of the template.
func (t *template) setDynamic(b []byte, entries []uint64) error {
	old := b[t.dynamic.Off : t.dynamic.Off+t.dynamic.Filesz]
	size := 8
	if t.file.Class == elf.ELFCLASS64 {
		size = 16
	}
	nodeflib := false
	for i := 0; i < len(entries); i += 2 {
		nodeflib = nodeflib || elf.DynTag(entries[i]) == elf.DT_FLAGS_1
	}
	for at := old; len(at) >= size; at = at[size:] {
		tag, value := uint64(le.Uint32(at)), uint64(le.Uint32(at[4:]))
		if size == 16 {
			tag, value = le.Uint64(at), le.Uint64(at[8:])
		}
		switch elf.DynTag(tag) {
		case elf.DT_NULL, elf.DT_RUNPATH:
		case elf.DT_FLAGS_1:
			if nodeflib {
				value |= uint64(elf.DF_1_NODEFLIB)
			}
			entries = append(entries, tag, value) // the last one counts
		default:
			entries = append(entries, tag, value)
		}
	}
	if len(entries)/2*size >= len(old) {
		return fmt.Errorf("no room for %d dynamic entries", len(entries)/2)
	}
	clear(old)
	for _, word := range entries {
		if size == 16 {
			le.PutUint64(old, word)
		} else {
			le.PutUint32(old, uint32(word))
		}
		old = old[size/2:]
	}
	return nil
}

// setOpens fills in what the object opens, and the note that tells so.
func (t *template) setOpens(b []byte, groups []string) {
	room, note := b[t.opens:t.opens+roomOpens], b[t.notes:t.notes+roomOpens]
	clear(room)
	type wanted struct {
		Soname   []string `json:"soname"`
		Feature  string   `json:"feature"`
		Priority string   `json:"priority"`
	}
	list := []wanted{}
	for _, group := range groups {
		names := strings.Split(group, "|")
		room = room[copy(room, strings.Join(names, "\x00")+"\x00\x00"):]
		list = append(list, wanted{names, "plugins", "suggested"})
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	copy(note, text)
	flags := b[36:]
	if t.file.Class == elf.ELFCLASS64 {
		flags = b[48:]
	}
	le.PutUint32(flags, mark)
}

// damages are what may be wrong with an ELF file.
var damages = []string{
	"empty", "short", "magic", "version", "order", "osabi", "gnu",
	"abiversion", "pad", "phentsize", "machine", "relocatable", "executable",
}

func damage(b []byte, what string) []byte {
	is64 := elf.Class(b[elf.EI_CLASS]) == elf.ELFCLASS64
	switch what {
	case "empty":
		return nil
	case "short":
		return b[:40]
	case "magic":
		b[1] = 'e'
	case "version":
		b[elf.EI_VERSION] = 2
	case "order":
		b[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	case "osabi":
		b[elf.EI_OSABI] = byte(elf.ELFOSABI_FREEBSD)
	case "gnu":
		b[elf.EI_OSABI] = byte(elf.ELFOSABI_LINUX)
	case "abiversion":
		b[elf.EI_ABIVERSION] = 9
	case "pad":
		b[elf.EI_PAD] = 1
	case "phentsize":
		if is64 {
			b[54]++
		} else {
			b[42]++
		}
	case "machine":
		b[18] = byte(elf.EM_AARCH64)
	case "relocatable":
		b[16] = byte(elf.ET_REL)
	case "executable":
		b[16] = byte(elf.ET_EXEC)
	}
	return b
}
