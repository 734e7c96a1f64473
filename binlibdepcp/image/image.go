//go:build linux

// Package image writes a root file system as a container image.
//
// An image is a list of layers and a configuration. A layer is a tar file with a piece of
// a root file system. The configuration is a JSON file that names the command to run.
// Each of these is a blob: a file whose name is its own SHA-256 sum, its digest. Who has
// the digest of an image can check every byte of it.
//
// The image is one tar file that two kinds of readers understand, because it has the
// lists of both beside the blobs:
//
//   - index.json and oci-layout, for readers of the OCI image layout (image-spec,
//     image-layout.md), such as skopeo and umoci
//   - manifest.json, for readers of the format of docker save, such as docker load and
//     podman load
//
// A layer holds the content, the owner and the mode of each file, its links, and its file
// capabilities (the attribute security.capability). It holds no other extended attribute,
// user.* and ACLs included: Docker and containerd write no other into their layers. The
// directory itself, the root directory of a container, isn't in the layer: the runtime
// makes it, with its own owner and mode.
//
// The same files make the same image, byte for byte: their order is that of their names,
// and all times are 0.
package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"strings"

	"nsteps/internal/cmdline"
)

// A Config is what an image says beside its files.
type Config struct {
	Repository string   // for example "jail"
	Tag        string   // for example "latest"
	Cmd        []string // the command that a container of the image runs

	// Without is a file to leave out, under all its names, such as an earlier image. It may
	// be nil.
	Without fs.FileInfo
}

// searchPath is the command's PATH, with the directories that Docker's default has.
const searchPath = "PATH=" + cmdline.Path

// A descriptor names a blob (image-spec, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"` // "sha256:" and 64 hexadecimal digits
	Size        int64             `json:"size"`   // in bytes
	Annotations map[string]string `json:"annotations,omitempty"`
}

// name returns the name of the blob's file in the image.
func (d descriptor) name() string {
	return "blobs/" + strings.Replace(d.Digest, ":", "/", 1)
}

// Write writes the image of the directory root to a file, in which nothing may be yet. It
// stops when ctx is done. Write returns the names of the sockets, which the image leaves
// out. It leaves out what is mounted below root too, and the file itself.
func Write(ctx context.Context, file *os.File, root *os.Root, c Config,
) (sockets []string, err error) {
	packed, err := writeLayer(ctx, file, root, c.Without)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(file)
	layer := packed.descriptor
	config, err := writeBlob(w, "application/vnd.oci.image.config.v1+json", map[string]any{
		"created":      "1970-01-01T00:00:00Z",
		"architecture": packed.architecture(),
		"os":           "linux",
		"config":       map[string]any{"Cmd": c.Cmd, "Env": []string{searchPath}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
		"history": []map[string]string{{
			"created": "1970-01-01T00:00:00Z", "created_by": "binlibdepcp --image",
		}},
	})
	if err != nil {
		return nil, err
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := writeBlob(w, manifestType, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": config, "layers": []descriptor{layer},
	})
	if err != nil {
		return nil, err
	}
	manifest.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": c.Tag,
		"io.containerd.image.name":          registry(c.Repository) + ":" + c.Tag,
	}
	for _, list := range []struct {
		name    string
		content any
	}{
		{"index.json", map[string]any{
			"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
			"manifests": []descriptor{manifest},
		}},
		{"manifest.json", []map[string]any{{
			"Config": config.name(), "RepoTags": []string{c.Repository + ":" + c.Tag},
			"Layers": []string{layer.name()},
		}}},
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
	} {
		text, err := json.Marshal(list.content)
		if err != nil {
			return nil, err
		}
		if err := writeFile(w, list.name, text); err != nil {
			return nil, err
		}
	}
	return packed.sockets, w.Close()
}

// registry returns the name of an image with its registry in front, as containerd wants
// it: docker.io has library/jail for jail, and me/jail for me/jail.
func registry(name string) string {
	first, _, below := strings.Cut(name, "/")
	switch {
	case !below:
		return "docker.io/library/" + name
	case strings.Contains(first, ".") || first == "localhost":
		return name
	}
	return "docker.io/" + name
}

// writeBlob writes a JSON file under its digest.
func writeBlob(w *tar.Writer, mediaType string, content any) (descriptor, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return descriptor{}, err
	}
	sum := sha256.Sum256(text)
	blob := describe(mediaType, sum[:], int64(len(text)))
	return blob, writeFile(w, blob.name(), text)
}

func describe(mediaType string, sum []byte, size int64) descriptor {
	return descriptor{
		MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum), Size: size,
	}
}

func writeFile(w *tar.Writer, name string, content []byte) error {
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write(content)
	}
	return err
}
