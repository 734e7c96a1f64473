//go:build linux

package image

import (
	"archive/tar"
	"context"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrWhiteout is the error of a file that a layer can't hold: in a layer, such a name
// means that a file of the layer below is deleted (image-spec, layer.md).
var ErrWhiteout = errors.New(
	"in an image, a name with .wh. in front marks a deleted file")

// ErrChanged is the error of a file that another process writes to.
var ErrChanged = errors.New("changed while it was read")

// headerSize is the length of the header of a tar file's entry, in bytes (tar(5)).
const headerSize = 512

// A layer is the tar file that a directory was packed into.
type layer struct {
	descriptor
	sockets  []string            // files that an image has no place for
	machines map[elf.Machine]int // how many ELF files there are for each
}

// writeLayer writes the layer, as the first entry of the image. The name of the entry is
// a digest, which comes last, so the header is written after the content.
func writeLayer(ctx context.Context, file *os.File, root *os.Root) (*layer, error) {
	if _, err := file.Seek(headerSize, io.SeekStart); err != nil {
		return nil, err
	}
	out := newHashing(ctx, file)
	p := &packer{
		root: root, w: tar.NewWriter(out), names: map[inode]string{},
		buffer: make([]byte, chunkSize), layer: layer{machines: map[elf.Machine]int{}},
	}
	err := fs.WalkDir(root.FS(), ".", p.entry)
	if err == nil {
		err = p.w.Close()
	}
	sum, size, closing := out.close()
	if err = errors.Join(err, closing); err != nil {
		return nil, err
	}
	p.descriptor = describe("application/vnd.oci.image.layer.v1.tar", sum, size)
	header, err := headerOf(p.name(), size)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteAt(header, 0)
	return &p.layer, err
}

// headerOf returns the header of a regular file.
func headerOf(name string, size int64) ([]byte, error) {
	var header strings.Builder
	err := tar.NewWriter(&header).WriteHeader(&tar.Header{
		Name: name, Mode: 0o644, Size: size, Format: tar.FormatGNU, // one block, at any size
	})
	return []byte(header.String()), err
}

type inode struct{ dev, ino uint64 }

// A packer packs a directory.
type packer struct {
	layer
	root   *os.Root
	w      *tar.Writer
	dev    uint64           // of the root directory
	names  map[inode]string // of files with several names
	buffer []byte
}

// entry packs a file, a link or a directory. It is an fs.WalkDirFunc.
func (p *packer) entry(name string, _ fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	info, err := p.root.Lstat(name)
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	if name == "." { // a runtime makes the root directory
		p.dev = st.Dev
		return nil
	}
	if strings.HasPrefix(path.Base(name), ".wh.") {
		return &fs.PathError{Op: "pack", Path: name, Err: ErrWhiteout}
	}
	if info.Mode()&fs.ModeSocket != 0 {
		p.sockets = append(p.sockets, name)
		return nil
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: int64(st.Mode & 0o7777),
		Uid: owner(st.Uid, os.Getuid()), Gid: owner(st.Gid, os.Getgid()),
	}
	switch info.Mode().Type() {
	case 0:
		return p.file(header, info)
	case fs.ModeDir:
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		if st.Dev != p.dev { // something is mounted there
			return errors.Join(p.w.WriteHeader(header), fs.SkipDir)
		}
	case fs.ModeSymlink:
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = p.root.Readlink(name); err != nil {
			return err
		}
	case fs.ModeNamedPipe:
		header.Typeflag = tar.TypeFifo
	default:
		header.Typeflag = tar.TypeBlock
		if info.Mode()&fs.ModeCharDevice != 0 {
			header.Typeflag = tar.TypeChar
		}
		header.Devmajor = int64(unix.Major(st.Rdev))
		header.Devminor = int64(unix.Minor(st.Rdev))
	}
	return p.w.WriteHeader(header)
}

// owner returns the ID of an owner in the image. A plain user's own files are root's
// there, as they are in a USER namespace.
func owner(id uint32, own int) int {
	if int(id) == own {
		return 0
	}
	return int(id)
}

// file packs a regular file. The second name of a file becomes a link to the first.
func (p *packer) file(header *tar.Header, info fs.FileInfo) error {
	st := info.Sys().(*syscall.Stat_t)
	id := inode{st.Dev, st.Ino}
	if first, ok := p.names[id]; ok {
		header.Typeflag, header.Linkname = tar.TypeLink, first
		return p.w.WriteHeader(header)
	}
	if st.Nlink > 1 {
		p.names[id] = header.Name
	}
	// What has the name by now must not be followed, or waited for.
	file, err := p.root.OpenFile(header.Name, unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if now, err := file.Stat(); err != nil || !os.SameFile(now, info) {
		return errors.Join(err, &fs.PathError{Op: "pack", Path: header.Name, Err: ErrChanged})
	}
	header.Size = info.Size()
	// File capabilities are an attribute of the file (capabilities(7)).
	const capability = "security.capability"
	var value [64]byte
	if n, err := unix.Fgetxattr(int(file.Fd()), capability, value[:]); err == nil {
		header.PAXRecords = map[string]string{"SCHILY.xattr." + capability: string(value[:n])}
	}
	if err := p.w.WriteHeader(header); err != nil {
		return err
	}
	return p.content(file, header)
}

// content writes the bytes of a file, and looks at its first.
func (p *packer) content(file *os.File, header *tar.Header) error {
	for left, first := header.Size, true; left > 0; first = false {
		n, err := file.Read(p.buffer[:min(int64(len(p.buffer)), left)])
		if err == io.EOF {
			err = &fs.PathError{Op: "pack", Path: header.Name, Err: ErrChanged}
		}
		if err != nil {
			return err
		}
		if first {
			p.count(p.buffer[:n])
		}
		if _, err := p.w.Write(p.buffer[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// count counts the machine of an ELF file, which begins like this: elf(5).
func (p *packer) count(head []byte) {
	if len(head) < 20 || string(head[:4]) != elf.ELFMAG {
		return
	}
	machine := uint16(head[18]) | uint16(head[19])<<8
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		machine = machine<<8 | machine>>8
	}
	if _, known := architectures[elf.Machine(machine)]; known {
		p.machines[elf.Machine(machine)]++
	}
}

// architectures are the names that images have for the machines of ELF files: image-spec,
// config.md, takes them from Go.
var architectures = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm",
	elf.EM_RISCV: "riscv64", elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x",
	elf.EM_LOONGARCH: "loong64",
}

// architecture returns the architecture of most ELF files, or that of this program if
// there are none.
func (l *layer) architecture() string {
	best, most := runtime.GOARCH, 0
	for machine, n := range l.machines {
		name := architectures[machine]
		if n > most || n == most && name < best {
			best, most = name, n
		}
	}
	return best
}
