//go:build linux

package bench

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Goals for binlibdepcp, upper limits all of them.
const (
	oneGoal  = 3.0  // ms that the closure of bash takes beyond an empty Go program
	allGoal  = 40.0 // ms that the closure of all programs takes beyond it
	copyGoal = 0.7  // x cp -p --parents, for copying all programs
	peakGoal = 40   // MiB, at its peak
)

// one is the kind of contenders that look at one program, bash.
const one = "one"

// How long a contender may take in all of its rounds: the slow ones have few of them.
const (
	oneLimit = 3 * time.Second
	allLimit = 8 * time.Second
)

const dracutInstall = "/usr/lib/dracut/dracut-install"

func BenchmarkClosure(b *testing.B) {
	programs := needPrograms(b)
	empty := build(b, "empty")
	closures := func(kind string, programs []string) []*contender {
		lddtree := newContender(kind, "lddtree",
			"pax-utils python3-pyelftools", "lddtree",
			append([]string{"-l"}, programs...)...)
		lddtree.first = []string{lddtree.args[0], "-l", programs[0]}
		ldd := newContender(kind, "ldd", "libc-bin", "ldd", programs...)
		ldd.first = []string{ldd.args[0], programs[0]}
		ldd.anyStatus = true // 1 if a program is static
		return []*contender{
			newContender(kind, "empty", "", empty),
			newContender(kind, "binlibdepcp", "", bin("binlibdepcp"),
				append([]string{"-l"}, programs...)...),
			ldd, lddtree,
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		b.Skip(err)
	}
	contenders := closures(one, []string{bash})
	takeTurns(b, contenders, *rounds, oneLimit)
	printTable("closure of bash", "what", contenders, "empty", "binlibdepcp")
	reportBeyond(b, contenders, one, "bash", oneGoal)

	contenders = closures(all, programs)
	takeTurns(b, contenders, *rounds/3, allLimit)
	title := fmt.Sprintf(
		"closure of the %d ELF programs of /usr/bin and /usr/sbin", len(programs))
	printTable(title, "what", contenders, "empty", "binlibdepcp")
	reportBeyond(b, contenders, all, "all programs", allGoal)
	fmt.Println()
	b.ReportMetric(0, "ns/op")
}

func reportBeyond(b *testing.B, contenders []*contender, kind,
	what string, goal float64,
) {
	ms := beyond(find(contenders, kind, "binlibdepcp"), find(contenders, kind, "empty"))
	fmt.Printf("goal: closure of %s at most %.0f ms beyond an empty Go program: %v, %s\n",
		what, goal, ms, verdict(ms.value <= goal))
	b.ReportMetric(ms.value, "ms-"+kind)
}

func BenchmarkCopy(b *testing.B) {
	programs := needPrograms(b)
	files, mib := closure(b, programs)
	title := fmt.Sprintf(
		"copy of the %d ELF programs of /usr/bin and /usr/sbin with what they need:\n"+
			"%d files, %.0f MiB, into an empty directory", len(programs), len(files), mib)

	err := ownMounts()
	if err == nil {
		err = unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755")
	}
	private := err == nil // otherwise jk_cp will say what it misses
	var contenders []*contender
	var on []string // which file systems
	for _, dir := range []string{os.TempDir(), "/dev/shm"} {
		kind, err := fileSystem(dir, mib)
		if err != nil {
			fmt.Printf("\n%s skipped on %s: %v\n", b.Name(), dir, err)
			continue
		}
		if slices.Contains(on, kind) {
			continue
		}
		on = append(on, kind)
		dir, err := os.MkdirTemp(dir, "bench")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
		spread(dir)
		safe := dir
		if private {
			safe = filepath.Join("/mnt", kind)
			err = errors.Join(os.Mkdir(safe, 0o755),
				unix.Mount(dir, safe, "", unix.MS_BIND, ""))
			if err != nil {
				b.Fatal(err)
			}
		}
		contenders = append(contenders, copiers(kind, dir, safe, programs, files)...)
	}
	takeTurns(b, contenders, *rounds/10, allLimit)
	printTable(title, "on", contenders, "cp", "binlibdepcp")
	for _, kind := range on {
		if cp := find(contenders, kind, "cp"); cp.skipped == "" {
			x := ratio(find(contenders, kind, "binlibdepcp"), cp)
			fmt.Printf("goal: copy of all on %s at most %.1f x cp: %v, %s\n",
				kind, copyGoal, x, verdict(x.value <= copyGoal))
			b.ReportMetric(x.value, "x-cp-"+kind)
		}
	}
	fmt.Println()
	b.ReportMetric(0, "ns/op")
}

// copiers returns what copies programs into a directory. It has another path, safe, for
// jk_cp: that refuses a jail below a directory that others may write to, as /tmp.
func copiers(kind, dir, safe string, programs, files []string) []*contender {
	jail := filepath.Join(dir, "jail")
	add := func(name, debian, program string,
		command func(programs []string) []string,
	) *contender {
		c := newContender(kind, name, debian, program, command(programs)...)
		c.begin = func() error { return newJail(jail) }
		c.end = func() error { return checkCopies(jail, len(programs)) }
		return c
	}
	// The first run of the slow ones is just to see that they work.
	slow := func(name, debian, program string,
		command func(programs []string) []string,
	) *contender {
		c := add(name, debian, program, command)
		c.first = append([]string{c.args[0]}, command(programs[:1])...)
		return c
	}
	cp := add("cp", "coreutils", "cp", func([]string) []string {
		// With absolute paths, cp of coreutils 9.1 fails to set directories' modes.
		return slices.Concat([]string{"-p", "--parents"}, files, []string{jail})
	})
	cp.dir = "/"
	return []*contender{
		cp,
		add("binlibdepcp", "", bin("binlibdepcp"), func(programs []string) []string {
			return slices.Concat([]string{"-q"}, programs, []string{jail})
		}),
		slow("dracut-install", "dracut-core", dracutInstall,
			func(programs []string) []string {
				return append([]string{"-D", jail, "-l", "-a"}, programs...)
			}),
		slow("jk_cp", "jailkit", "jk_cp", func(programs []string) []string {
			return append([]string{
				"-o", "-s", "-j",
				filepath.Join(safe, "jail"),
			}, programs...)
		}),
		slow("lddtree", "pax-utils python3-pyelftools", "lddtree",
			func(programs []string) []string {
				return append([]string{"--copy-to-tree", jail}, programs...)
			}),
	}
}

// spread has ext4 put new directories below dir in different groups of inodes, as it
// does in a root directory: chattr(1). In a group where inodes were deleted lately it
// takes longer to find a free one than to copy a file, and there would be no measuring.
func spread(dir string) {
	_ = exec.Command("chattr", "+T", dir).Run() // other file systems don't know it
}

// newJail makes an empty directory, and has the file system written to disk, so that the
// next run doesn't. An old one is moved away, and not removed: see spread.
func newJail(jail string) error {
	parent, err := os.Open(filepath.Dir(jail))
	if err != nil {
		return err
	}
	defer parent.Close()
	err = os.Rename(jail, fmt.Sprint(jail, time.Now().UnixNano()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.Mkdir(jail, 0o755), unix.Syncfs(int(parent.Fd())))
}

// checkCopies sees to it that a directory holds so many files, or more. It empties them,
// but for hard links: should those be to the host's files, nothing is lost.
func checkCopies(dir string, want int) error {
	n := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n++
		info, err := d.Info()
		if err != nil || info.Sys().(*syscall.Stat_t).Nlink > 1 {
			return err
		}
		return os.Truncate(name, 0)
	})
	if err == nil && n < want {
		err = fmt.Errorf("copied %d files of %d", n, want)
	}
	return err
}

func BenchmarkCopyMemory(b *testing.B) {
	programs := needPrograms(b)
	maxrss := build(b, "maxrss")
	peak := func(args ...string) float64 {
		out, err := exec.Command(maxrss, args...).Output()
		var kib float64
		if err == nil {
			_, err = fmt.Sscan(string(out), &kib)
		}
		if err != nil {
			b.Fatalf("%s %s: %v", maxrss, args[0], err)
		}
		return kib / 1024
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		b.Skip(err)
	}
	tool := bin("binlibdepcp")
	fmt.Printf("\npeak memory of binlibdepcp\n\n")
	fmt.Printf("an empty Go program  %.1f MiB\n", peak(build(b, "empty")))
	fmt.Printf("closure of bash      %.1f MiB\n", peak(tool, "-l", bash))
	fmt.Printf("closure of all       %.1f MiB\n",
		peak(slices.Concat([]string{tool, "-l"}, programs)...))
	copying := peak(slices.Concat([]string{tool, "-q"}, programs,
		[]string{b.TempDir()})...)
	fmt.Printf("copy of all          %.1f MiB; goal: below %d MiB, %s\n",
		copying, peakGoal, verdict(copying < peakGoal))
	dir := b.TempDir()
	image := peak(tool, "--image", dir+"/image.tar", "/usr/bin")
	fmt.Printf("image of /usr/bin    %.1f MiB; goal: below %d MiB, %s\n\n",
		image, peakGoal, verdict(image < peakGoal))
	b.ReportMetric(copying, "binlibdepcp-MiB")
	b.ReportMetric(image, "image-MiB")
	b.ReportMetric(0, "ns/op")
}

// needPrograms returns the paths of all ELF programs of /usr/bin and /usr/sbin that this
// user can read. It sees to it that Debian's Python runs the tools that are written in
// it, with Debian's modules.
func needPrograms(b *testing.B) (programs []string) {
	b.Helper()
	if _, err := os.Stat(bin("binlibdepcp")); err != nil {
		b.Fatalf("%v: run make build first", err)
	}
	b.Setenv("PATH", "/usr/bin:/usr/sbin:"+os.Getenv("PATH"))
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if e.Type().IsRegular() && isProgram(name) {
				programs = append(programs, name)
			}
		}
	}
	return programs
}

// isProgram reports whether a file is ELF of the type ET_EXEC or ET_DYN: elf(5).
func isProgram(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 18)
	_, err = io.ReadFull(f, head)
	kind := head[16] + head[17] // one is 0, which one depends on the byte order
	return err == nil && string(head[:4]) == "\x7fELF" && (kind == 2 || kind == 3)
}

// closure returns the files that programs need, each inode once, by paths relative to
// the root directory, and their size.
func closure(b *testing.B, programs []string) (files []string, mib float64) {
	out, err := exec.Command(bin("binlibdepcp"),
		append([]string{"-l"}, programs...)...).Output()
	if err != nil {
		b.Fatalf("binlibdepcp -l: %v", err)
	}
	seen := map[[2]uint64]bool{}
	for line := range strings.Lines(string(out)) {
		// behind it: why it is there
		file, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		var stat unix.Stat_t
		if err := unix.Stat(file, &stat); err != nil {
			b.Fatalf("%s: %v", file, err)
		}
		if inode := [2]uint64{uint64(stat.Dev), stat.Ino}; !seen[inode] {
			seen[inode] = true
			files = append(files, strings.TrimPrefix(file, "/"))
			mib += float64(stat.Size) / (1 << 20)
		}
	}
	return files, mib
}

// fileSystem returns the type of the file system of a directory, if it has room for the
// copies.
func fileSystem(dir string, mib float64) (string, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return "", err
	}
	if free := float64(stat.Bavail) * float64(stat.Bsize) / (1 << 20); free < 1.5*mib {
		return "", fmt.Errorf("no more than %.0f MiB are free", free)
	}
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.TMPFS_MAGIC: "tmpfs",
		unix.BTRFS_SUPER_MAGIC: "btrfs", unix.XFS_SUPER_MAGIC: "xfs",
		unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	}
	if name := names[int64(stat.Type)]; name != "" {
		return name, nil
	}
	return fmt.Sprintf("%#x", stat.Type), nil
}
