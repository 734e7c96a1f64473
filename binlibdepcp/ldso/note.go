//go:build linux

package ldso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// A Dlopen is a note in which a program tells what it may load while it runs, by
// dlopen(3): the ELF dlopen metadata of the UAPI group, section .note.dlopen.
type Dlopen struct {
	Soname      []string `json:"soname"` // one of them is enough, the first is the best
	Feature     string   `json:"feature"`
	Description string   `json:"description"`
	// required, recommended (if none is given) or suggested
	Priority string `json:"priority"`
}

// noteDlopen is the note's type; its owner is "FDO".
const noteDlopen = 0x407c0c0a

// maxDlopen is how many of these notes a segment may have.
const maxDlopen = 256

// dlopen reads the notes of a segment. A note that makes no sense is no reason not to
// load a file.
func (im *image) dlopen(p *elf.Prog) []Dlopen {
	b := make([]byte, p.Filesz)
	n, _ := p.ReadAt(b, 0)
	found, _ := ParseDlopen(b[:n], im.ByteOrder, p.Align)
	return found
}

// ParseDlopen returns the dlopen notes among the notes of a PT_NOTE segment, elf(5).
func ParseDlopen(b []byte, order binary.ByteOrder, align uint64) ([]Dlopen, error) {
	if align != 8 {
		align = 4
	}
	var all []Dlopen
	for len(b) >= 12 {
		namesz, descsz := uint64(order.Uint32(b)), uint64(order.Uint32(b[4:]))
		kind := order.Uint32(b[8:])
		desc := (12 + namesz + align - 1) &^ (align - 1) // neither sum can overflow
		end := desc + descsz
		if end > uint64(len(b)) {
			return all, fmt.Errorf("note of %d bytes, %d are left", end, len(b))
		}
		if kind == noteDlopen && string(b[12:12+namesz]) == "FDO\x00" {
			some, err := parseDlopenText(b[desc:end])
			if err != nil {
				return all, err
			}
			if len(all)+len(some) > maxDlopen {
				return all, fmt.Errorf(
					"more than %d libraries in dlopen notes", maxDlopen)
			}
			all = append(all, some...)
		}
		b = b[min(uint64(len(b)), (end+align-1)&^(align-1)):]
	}
	return all, nil
}

// parseDlopenText reads the text of one note, which NULs follow.
func parseDlopenText(text []byte) (some []Dlopen, err error) {
	if err = json.Unmarshal(bytes.TrimRight(text, "\x00"), &some); err != nil {
		return nil, fmt.Errorf("dlopen note: %w", err)
	}
	for i := range some {
		if some[i].Priority == "" {
			some[i].Priority = "recommended"
		}
	}
	return some, nil
}
