//go:build linux

package cause

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
)

// missing tells apart what all reads "no such file or directory" (see execve(2)). The
// child is in the jail by now, so it looks where the kernel did.
func missing(f *Facts, file string) Cause {
	if isEmpty(f, file) {
		return Cause{ID: "empty-command", Text: "the command is an empty word; in a script, " +
			"a variable may have no value"}
	}
	c := Cause{ID: "no-command", Text: "the command"}
	bring := file
	if kind, name := interpreter(file); name != "" {
		if kind == "#! interpreter" && exists(name) {
			// the interpreter is a program too, and lacks something
			return missing(f, name)
		}
		c = Cause{
			ID:   "no-interpreter",
			Text: "the file is there, but its " + kind + " " + cmdline.Printable(name),
		}
		if bring = name; kind == "ELF interpreter" { // it comes with the file's libraries
			if target, err := filepath.EvalSymlinks(file); err == nil {
				file = target // outside the jail, an absolute link leads elsewhere
			}
			bring = filepath.Join(f.Jail, file)
		}
	}
	switch {
	case f.Jail != "" && c.ID == "no-command" && f.onHost != nil &&
		strings.HasPrefix(file, "/") && !f.onHost(file):
		c.Text = "neither the jail nor the host has such a program"
	case f.Jail != "":
		c.Text += " isn't in the jail"
		c.Command = f.fill(bring)
	case c.ID == "no-interpreter":
		c.Text += " isn't"
	case !strings.Contains(file, "/"):
		c.Text = "there is no such program in " + cmdline.Path +
			"; for a program elsewhere, give its path; for a shell builtin, use"
		c.Command = "sh -c '...'"
	default:
		return Cause{}
	}
	return c
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func isDirectory(_ *Facts, file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.IsDir()
}

func notExecutable(_ *Facts, file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode()&0o111 == 0
}

// onNoexec reports whether the file is on a mount from which nothing can be executed.
func onNoexec(_ *Facts, file string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(file, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}

// interpreter returns the name of the program that the kernel needs besides the file to
// execute it: that of its #! line, or that of its PT_INTERP program header (see
// execve(2), elf(5)).
func interpreter(file string) (kind, name string) {
	head := make([]byte, 4096)
	f, err := os.Open(file)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", ""
	}
	if line, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		name = strings.Trim(string(line), " \t") // a carriage return is part of the name
		if end := strings.IndexAny(name, " \t"); end >= 0 {
			name = name[:end]
		}
		return "#! interpreter", name
	}
	if name = elfInterpreter(f, head); name != "" {
		return "ELF interpreter", name
	}
	return "", ""
}

// elfInterpreter returns the text of PT_INTERP of an ELF file that starts with head,
// which has 4096 bytes. The import of debug/elf would slow the start of every step.
func elfInterpreter(f io.ReaderAt, head []byte) string {
	const ptInterp = 3
	le := binary.LittleEndian
	word := func(i uint64) uint64 { return le.Uint64(head[i:]) }
	var phoff, phnum, size, offset, filesz uint64 = 32, 56, 56, 8, 32
	switch string(head[:6]) {
	case "\x7fELF\x02\x01": // of 64 bits, little endian
	case "\x7fELF\x01\x01": // of 32 bits, little endian
		word = func(i uint64) uint64 { return uint64(le.Uint32(head[i:])) }
		phoff, phnum, size, offset, filesz = 28, 44, 32, 4, 16
	default:
		return ""
	}
	for i := range uint64(le.Uint16(head[phnum:])) {
		p := word(phoff) + i*size
		if p > uint64(len(head))-size {
			break
		}
		if le.Uint32(head[p:]) == ptInterp {
			text := make([]byte, min(word(p+filesz), unix.PathMax))
			n, _ := f.ReadAt(text, int64(word(p+offset)))
			return strings.TrimRight(string(text[:n]), "\x00")
		}
	}
	return ""
}
