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
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The errors of files that a layer can't hold: in a layer, they mean that a file of the
// layer below is deleted (image-spec, layer.md; the kernel's overlayfs.rst).
var (
	ErrWhiteout = errors.New(
		"in an image, a name with .wh. in front marks a deleted file")
	ErrWhiteoutDevice = errors.New(
		"in a layer of an overlay, a device with the number 0, 0 marks a deleted file")
)

// ErrChanged is the error of a file that another process writes to.
var ErrChanged = errors.New("changed while it was read")

// headerSize is the length of the header of a tar file's entry, in bytes (tar(5)).
const headerSize = 512

// A layer is the tar file that a directory was packed into.
type layer struct {
	descriptor
	sockets  []string        // files that an image has no place for
	machines map[machine]int // how many ELF files there are for each
}

// writeLayer writes the layer, as the first entry of the image. The name of the entry is
// a digest, which comes last, so the header is written after the content.
func writeLayer(ctx context.Context, file *os.File, root *os.Root, without fs.FileInfo,
) (*layer, error) {
	own, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(headerSize, io.SeekStart); err != nil {
		return nil, err
	}
	out := newHashing(ctx, file)
	p := &packer{
		root: root, w: tar.NewWriter(out), names: map[inode]string{},
		buffer: make([]byte, chunkSize), layer: layer{machines: map[machine]int{}},
		without: []fs.FileInfo{own, without},
	}
	info, err := root.Stat(".")
	if err == nil {
		err = p.directory(".", info)
	}
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
	root    *os.Root
	w       *tar.Writer
	names   map[inode]string // of files with several names
	without []fs.FileInfo    // not to be packed
	buffer  []byte
}

// directory packs all that is in a directory, in the order of the names. (fs.WalkDir
// refuses a name that isn't UTF-8.) The runtime makes the root directory itself.
func (p *packer) directory(name string, info fs.FileInfo) error {
	dir, err := p.open(name, info)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, file := range names {
		if err := p.entry(path.Join(name, file), isMount(dir, file)); err != nil {
			return err
		}
	}
	return nil
}

// isMount reports whether something is mounted on a file of a directory. A bind mount has
// the device of the file system, so the device doesn't show that (statx(2), Linux 5.8).
func isMount(dir *os.File, name string) bool {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		unix.STATX_BASIC_STATS, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// entry packs a file, a link, or a directory and all that is in it. What is mounted isn't
// packed: it becomes an empty file or directory to mount on.
func (p *packer) entry(name string, mounted bool) error {
	info, err := p.root.Lstat(name)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(p.without, func(other fs.FileInfo) bool {
		return other != nil && os.SameFile(info, other)
	}) {
		return nil
	}
	st := info.Sys().(*syscall.Stat_t)
	if err := whiteout(name, st); err != nil {
		return &fs.PathError{Op: "pack", Path: name, Err: err}
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
	case fs.ModeDir:
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		if err := p.w.WriteHeader(header); err != nil || mounted {
			return err
		}
		return p.directory(name, info)
	case 0:
		if !mounted {
			return p.file(header, info)
		}
	case fs.ModeSymlink:
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = p.root.Readlink(name); err != nil {
			return err
		}
	case fs.ModeNamedPipe:
		header.Typeflag = tar.TypeFifo
	default:
		if mounted { // such as the host's /dev/null
			break
		}
		header.Typeflag = tar.TypeBlock
		if info.Mode()&fs.ModeCharDevice != 0 {
			header.Typeflag = tar.TypeChar
		}
		header.Devmajor = int64(unix.Major(st.Rdev))
		header.Devminor = int64(unix.Minor(st.Rdev))
	}
	return p.w.WriteHeader(header)
}

// whiteout returns an error if a file would delete another file: by its name in a layer,
// or as a device with the number 0 in a directory that is a layer of an overlay.
func whiteout(name string, st *syscall.Stat_t) error {
	switch {
	case strings.HasPrefix(path.Base(name), ".wh."):
		return ErrWhiteout
	case st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0:
		return ErrWhiteoutDevice
	}
	return nil
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
	file, err := p.open(header.Name, info)
	if err != nil {
		return err
	}
	defer file.Close()
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

// open opens a file or a directory. Another file may have the name by now: a FIFO must
// not be waited for, and a link leads elsewhere (os.Root follows it).
func (p *packer) open(name string, info fs.FileInfo) (*os.File, error) {
	file, err := p.root.OpenFile(name, unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if now, err := file.Stat(); err != nil || !os.SameFile(now, info) {
		file.Close()
		return nil, errors.Join(err, &fs.PathError{Op: "pack", Path: name, Err: ErrChanged})
	}
	return file, nil
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
	number := uint16(head[18]) | uint16(head[19])<<8
	data := elf.Data(head[elf.EI_DATA])
	if data == elf.ELFDATA2MSB {
		number = number<<8 | number>>8
	}
	m := machine{elf.Machine(number), elf.Class(head[elf.EI_CLASS]), data}
	if _, known := architectures[m]; known {
		p.machines[m]++
	}
}

// A machine is what an ELF file says of the processor that it is for.
type machine struct {
	number elf.Machine
	class  elf.Class
	data   elf.Data
}

// architectures are the names that images have for machines: image-spec, config.md, takes
// them from Go. ARM has a variant too, which an ELF file doesn't tell in its header;
// without one, containerd takes an image for v7.
var architectures = map[machine]string{
	{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}:    "amd64",
	{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}:       "386",
	{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}:   "arm64",
	{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}:       "arm",
	{elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "riscv64",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "ppc64le",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB}:     "ppc64",
	{elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB}:      "s390x",
	{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB}:      "mips64le",
	{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB}:      "mips64",
	{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB}:      "mipsle",
	{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB}:      "mips",
	{elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB}: "loong64",
}

// architecture returns the architecture of most ELF files, or that of this program if
// there are none.
func (l *layer) architecture() string {
	best, most := runtime.GOARCH, 0
	for m, n := range l.machines {
		name := architectures[m]
		if n > most || n == most && name < best {
			best, most = name, n
		}
	}
	return best
}
