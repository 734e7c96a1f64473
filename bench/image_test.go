//go:build linux

package bench

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

const (
	imageGoal = 1.0       // x tar c | tee FILE | sha256sum, for the image of a jail
	imageSize = 200 << 20 // bytes of the programs in the jail, or a little more
)

// BenchmarkImage compares the image of a jail with the least that has to be done for it:
// to pack the jail, to write the file, and to compute its sum.
func BenchmarkImage(b *testing.B) {
	programs := needPrograms(b)
	const shm = "/dev/shm"
	if _, err := fileSystem(shm, 4*imageSize>>20); err != nil {
		b.Skip(err)
	}
	dir, err := os.MkdirTemp(shm, "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	jail, file := filepath.Join(dir, "jail"), filepath.Join(dir, "image.tar")
	some := upTo(programs, imageSize)
	command := exec.Command(bin("binlibdepcp"), slices.Concat([]string{"-q"}, some,
		[]string{jail})...)
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	remove := func() error { return os.RemoveAll(file) }
	image := newContender("image", "binlibdepcp", "", bin("binlibdepcp"),
		"--image", file, jail)
	tar := newContender("image", "tar|tee|sha256sum", "coreutils", "sh", "-c",
		`tar -c -C "$1" . | tee "$2" | sha256sum`, "sh", jail, file)
	image.begin, tar.begin = remove, remove
	contenders := []*contender{image, tar}
	takeTurns(b, contenders, *rounds/5, allLimit)
	printTable(fmt.Sprintf("image of a jail of %.0f MiB, to a file on tmpfs",
		float64(sizeOf(b, jail))/(1<<20)), "what", contenders, tar.name, image.name)
	x := ratio(image, tar)
	fmt.Printf("goal: image at most %.1f x tar, tee and sha256sum: %v, %s\n\n",
		imageGoal, x, verdict(x.value <= imageGoal))
	b.ReportMetric(x.value, "x-tar")
	b.ReportMetric(0, "ns/op")
}

// upTo returns programs, from the first on, until they have a size.
func upTo(programs []string, size int64) (some []string) {
	for _, name := range programs {
		if info, err := os.Stat(name); err == nil && size > 0 {
			size -= info.Size()
			some = append(some, name)
		}
	}
	return some
}

// sizeOf returns the size of all files in a directory, in bytes.
func sizeOf(b *testing.B, dir string) (size int64) {
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
