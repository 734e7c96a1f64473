//go:build linux

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pack makes an image of a directory, and returns its sockets and the files in it.
func pack(t *testing.T, dir string) (sockets []string, files map[string][]byte) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	name := filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, Create(name, func(file *os.File) (err error) {
		sockets, err = Write(context.Background(), file, root,
			Config{Repository: "jail", Tag: "latest", Cmd: []string{"sh"}})
		return err
	}))
	return sockets, unpack(t, name)
}

// unpack returns the files in an image.
func unpack(t *testing.T, name string) map[string][]byte {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	files := map[string][]byte{}
	for header, text := range entries(t, content) {
		files[header.Name] = text
	}
	return files
}

// entries goes through the entries of a tar file.
func entries(t *testing.T, content []byte) func(func(*tar.Header, []byte) bool) {
	return func(yield func(*tar.Header, []byte) bool) {
		r := tar.NewReader(bytes.NewReader(content))
		for {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			if !yield(header, text) {
				return
			}
		}
	}
}

// layerOf follows the lists of the image to its layer and its configuration.
func layerOf(t *testing.T, files map[string][]byte) (layer, config []byte) {
	t.Helper()
	var index struct{ Manifests []descriptor }
	require.NoError(t, json.Unmarshal(files["index.json"], &index))
	require.Len(t, index.Manifests, 1)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	require.NoError(t, json.Unmarshal(files[index.Manifests[0].name()], &manifest))
	require.Len(t, manifest.Layers, 1)
	layer = files[manifest.Layers[0].name()]
	assert.Len(t, layer, int(manifest.Layers[0].Size))
	return layer, files[manifest.Config.name()]
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	require.NoError(t, os.Mkdir(dir+"/d", 0o755))
	put("d/a", "text", 0o640)
	put("sticky", "", os.ModeSetuid|0o755)
	require.NoError(t, os.Link(dir+"/d/a", dir+"/d/b"))
	require.NoError(t, os.Symlink("/etc/passwd", dir+"/link"))
	require.NoError(t, unix.Mkfifo(dir+"/pipe", 0o600))
	listener, err := net.Listen("unix", dir+"/sock")
	require.NoError(t, err)
	defer listener.Close()

	sockets, files := pack(t, dir)
	assert.Equal(t, []string{"sock"}, sockets)
	layer, config := layerOf(t, files)
	type entry struct {
		kind       byte
		name, link string
		mode       int64
		text       string
	}
	var got []entry
	for h, text := range entries(t, layer) {
		got = append(got, entry{h.Typeflag, h.Name, h.Linkname, h.Mode, string(text)})
		assert.Equal(t, 0, h.Uid, h.Name)
		assert.Zero(t, h.ModTime.Unix(), h.Name)
	}
	assert.Equal(t, []entry{
		{tar.TypeDir, "d/", "", 0o755, ""},
		{tar.TypeReg, "d/a", "", 0o640, "text"},
		{tar.TypeLink, "d/b", "d/a", 0o640, ""},
		{tar.TypeSymlink, "link", "/etc/passwd", 0o777, ""},
		{tar.TypeFifo, "pipe", "", 0o600, ""},
		{tar.TypeReg, "sticky", "", 0o4755, ""},
	}, got)
	assert.Contains(t, string(config), `"architecture":"`+runtime.GOARCH+`"`)
	assert.Contains(t, string(config), `"Cmd":["sh"]`)
	assert.JSONEq(t, `{"imageLayoutVersion":"1.0.0"}`, string(files["oci-layout"]))
}

// The architecture is that of the programs, not that of this machine.
func TestArchitecture(t *testing.T) {
	head := func(class, data byte, machine [2]byte) string {
		return "\x7fELF" + string(class) + string(data) + string(make([]byte, 12)) +
			string(machine[:]) + "more"
	}
	for want, files := range map[string][]string{
		runtime.GOARCH: {"text", head(2, 1, [2]byte{250, 250})},
		"riscv64": {
			head(2, 1, [2]byte{243, 0}), head(1, 1, [2]byte{3, 0}),
			head(2, 1, [2]byte{243, 0}),
		},
		"s390x":   {head(2, 2, [2]byte{0, 22})},
		"ppc64":   {head(2, 2, [2]byte{0, 21})},
		"ppc64le": {head(2, 1, [2]byte{21, 0})},
		"mipsle":  {head(1, 1, [2]byte{8, 0})},
	} {
		dir := t.TempDir()
		for i, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))),
				[]byte(text), 0o755))
		}
		_, files := pack(t, dir)
		_, config := layerOf(t, files)
		assert.Contains(t, string(config), `"architecture":"`+want+`"`)
	}
}

// A name in Linux is any bytes. A long one, and one that isn't ASCII, is a PAX record.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long", 60)
	for _, name := range []string{"\xff\xfe", "käse", long, "a=b\nc"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name, long), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, long, name), nil, 0o644))
	}
	_, files := pack(t, dir)
	layer, _ := layerOf(t, files)
	unpacked := t.TempDir()
	cmd := exec.Command("tar", "-x", "-C", unpacked)
	cmd.Stdin = bytes.NewReader(layer)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	diff, err := exec.Command("diff", "-r", dir, unpacked).CombinedOutput()
	assert.NoError(t, err, "%s", diff)
}

func TestRegistry(t *testing.T) {
	for name, want := range map[string]string{
		"jail": "docker.io/library/jail", "me/jail": "docker.io/me/jail",
		"example.org/jail": "example.org/jail", "localhost/me/jail": "localhost/me/jail",
	} {
		assert.Equal(t, want, registry(name))
	}
}

// File capabilities are kept, as the only extended attribute. Only root can set them.
func TestAttributes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/ping", nil, 0o755))
	// cap_net_raw, effective and permitted, version 2: capabilities(7)
	value := []byte{1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := unix.Setxattr(dir+"/ping", "security.capability", value, 0); err != nil {
		t.Skip("SKIPPED: a file can't get capabilities here:", err)
	}
	// tmpfs has had these since Linux 6.6.
	_ = unix.Setxattr(dir+"/ping", "user.comment", []byte("text"), 0)
	_, files := pack(t, dir)
	layer, _ := layerOf(t, files)
	for header := range entries(t, layer) {
		assert.Equal(t, map[string]string{
			"SCHILY.xattr.security.capability": string(value),
		}, header.PAXRecords)
	}
}

func TestHeaderOf(t *testing.T) {
	for _, size := range []int64{0, 1 << 30, 1 << 40} {
		header, err := headerOf("blobs/sha256/0", size)
		require.NoError(t, err)
		require.Len(t, header, headerSize)
		h, err := tar.NewReader(bytes.NewReader(header)).Next()
		require.NoError(t, err)
		assert.Equal(t, size, h.Size)
	}
}

// A file that shrinks while it is read, and a context that ends, stop the packing.
func TestStop(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/a", make([]byte, 100), 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "x"))
	require.NoError(t, err)
	defer file.Close()

	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("stop")
	cancel(why)
	_, err = Write(ctx, file, root, Config{})
	assert.ErrorIs(t, err, why)

	p := &packer{root: root, w: tar.NewWriter(io.Discard), buffer: make([]byte, 10)}
	opened, err := os.Open(dir + "/a")
	require.NoError(t, err)
	defer opened.Close()
	header := &tar.Header{Name: "a", Size: 101}
	require.NoError(t, p.w.WriteHeader(header))
	assert.ErrorIs(t, p.content(opened, header), ErrChanged)
}

// A link has taken the place of a file or of a directory. os.Root follows it.
func TestExchanged(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/other", nil, 0o600))
	require.NoError(t, os.Symlink("other", dir+"/file"))
	require.NoError(t, os.Symlink(".", dir+"/directory"))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	p := &packer{root: root, w: tar.NewWriter(io.Discard), names: map[inode]string{}}
	info, err := os.Stat(t.TempDir())
	require.NoError(t, err)
	assert.ErrorIs(t, p.directory("directory", info), ErrChanged)
	assert.ErrorIs(t, p.file(&tar.Header{Name: "file"}, info), ErrChanged)
}

// A file under a temporary name isn't in its own image.
func TestOwnDirectory(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, createNamed(dir+"/x", func(file *os.File) error {
		_, err := Write(context.Background(), file, root, Config{})
		return err
	}))
	layer, _ := layerOf(t, unpack(t, dir+"/x"))
	for header := range entries(t, layer) {
		t.Error(header.Name)
	}
}

// A file system may have no files without names.
func TestCreateNamed(t *testing.T) {
	dir := t.TempDir()
	name := dir + "/x"
	why := errors.New("why")
	assert.ErrorIs(t, createNamed(name, func(*os.File) error { return why }), why)
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, names)
	require.NoError(t, createNamed(name, func(file *os.File) error {
		_, err := file.WriteString("new")
		return err
	}))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "new", string(text))
}
