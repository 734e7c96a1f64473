//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"nsteps/binlibdepcp/jail"
	"nsteps/binlibdepcp/ldso"
	"nsteps/internal/cmdline"
)

// The states of a file, as they are printed.
const (
	copied  = "[OK]"
	skipped = "[SKIPPED]"
	failed  = "[FAILED]"
)

// A writer writes a plan into a jail.
type writer struct {
	*plan
	linker *ldso.Linker
	root   *jail.Root
	out    *output

	nosuid  bool // the jail's mount ignores set-user-ID and file capabilities
	noLinks bool // the jail's file system has no symbolic links

	mu      sync.Mutex
	errs    []error             // what could not be written
	dropped map[string][]string // what copies lack, such as setuid, and which
	// the copies whose set-user-ID or capabilities nosuid ignores
	ignored []string
	made    []*ldso.Place // directories of trees that are new
	stopped atomic.Bool   // nothing more is to be tried
}

// write fills the directory with what is planned, and prints what becomes of each file.
func write(linker *ldso.Linker, p *plan, directory string, noClobber bool,
	out *output,
) error {
	if err := makeTarget(directory); err != nil {
		return err
	}
	root, err := jail.Wait(directory, func() {
		fmt.Fprintf(os.Stderr,
			"binlibdepcp: another run is working in %s: waiting for its end\n",
			cmdline.Printable(directory))
	})
	if err != nil {
		return err
	}
	root.NoClobber = noClobber
	w := &writer{
		plan: p, linker: linker, root: root, out: out,
		dropped: map[string][]string{},
	}
	stopped := w.catchSignals(directory)
	if err := root.Begin(); err != nil {
		p.note(fmt.Sprintf("an earlier run was killed, and its temporary files may "+
			"still be there: %v", err))
	}
	if !p.temporary {
		w.lookAtMount(directory)
	}

	out.begin(len(p.files))
	w.makeTree() // with their modes, so before others make them
	w.makeDirs()
	w.copyFiles()
	w.makeLinks()
	w.nameFiles()
	w.writeTexts()
	w.finishTree()
	for _, cache := range p.caches {
		w.writeCache(cache)
	}
	err = root.Close()
	if stop := stopped(); stop != nil {
		out.end(false)
		return errors.Join(append(w.errs, stop)...)
	}
	out.end(len(w.errs) == 0 && len(p.problems) == 0)
	w.noteLosses(directory)
	return errors.Join(append(w.errs, err)...)
}

// lookAtMount notes what the mount that the jail lies on forbids.
func (w *writer) lookAtMount(directory string) {
	flags, err := w.root.MountFlags()
	if err == nil && flags&unix.ST_NOEXEC != 0 {
		w.note(fmt.Sprintf("%s is on a file system that is mounted noexec, so no "+
			"program in it can be executed: "+
			`mount -o remount,bind,exec "$(findmnt -no TARGET -T %s)"`, directory,
			cmdline.Quote(directory)))
	}
	w.nosuid = err == nil && flags&unix.ST_NOSUID != 0
}

// noteLosses notes what the host's files have and the copies lack.
func (w *writer) noteLosses(directory string) {
	for _, what := range slices.Sorted(maps.Keys(w.dropped)) {
		slices.Sort(w.dropped[what])
		w.note(fmt.Sprintf("without %s, which only the host's root can give: %s",
			what, strings.Join(w.dropped[what], ", ")))
	}
	if w.ignored != nil {
		slices.Sort(w.ignored)
		w.note(fmt.Sprintf(
			"%s is on a file system that is mounted nosuid, which ignores set-user-ID "+
				"and file capabilities: %s", directory, strings.Join(w.ignored, ", ")))
	}
	if w.noLinks {
		w.note(fmt.Sprintf("the file system of %s has no symbolic links: copies are in "+
			"their places", directory))
	}
}

// makeTarget makes the directory to copy to, unless it is there.
func makeTarget(directory string) error {
	info, err := os.Stat(directory)
	root, _ := os.Stat("/")
	switch target, linked := os.Readlink(directory); {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "open", Path: directory, Err: unix.ENOTDIR}
	case err == nil && os.SameFile(info, root):
		return fmt.Errorf(
			"%s is the root directory of this machine: take one for the jail", directory)
	case err != nil && linked == nil:
		return &fs.PathError{
			Op: "open", Path: directory,
			Err: fmt.Errorf("a link to %s: %w", target, unix.ENOENT),
		}
	}
	return os.MkdirAll(directory, 0o755)
}

// catchSignals stops the writing at a signal. The function that it returns returns the
// error of that, when all is tidy.
func (w *writer) catchSignals(directory string) (stopped func() error) {
	ctx, stop := untilSignal(directory)
	context.AfterFunc(ctx, func() {
		w.stopped.Store(true)
		w.root.Stop()
	})
	return func() error {
		stop()
		return context.Cause(ctx)
	}
}

// fail notes an error. After some of them nothing else would succeed.
func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, last := range []error{
		unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO,
		jail.ErrStopped,
	} {
		if errors.Is(err, last) && w.stopped.Swap(true) {
			return // the other worker met the same
		}
	}
	w.errs = append(w.errs, err)
}

func (w *writer) makeDirs() {
	for _, dir := range w.dirs {
		if err := w.root.MkdirAll(dir); err != nil {
			w.fail(err)
		}
	}
}

// copyFiles copies all files in two workers, and prints them in their order.
func (w *writer) copyFiles() {
	done := make([]chan struct{}, len(w.files))
	for i := range done {
		done[i] = make(chan struct{})
	}
	index := make(chan int)
	for range 2 {
		go func() {
			for i := range index {
				f := w.files[i]
				if f.status = failed; !w.stopped.Load() {
					f.status = w.copyFile(f)
				}
				close(done[i])
			}
		}()
	}
	go func() {
		defer close(index)
		for i := range w.files {
			index <- i
		}
	}()
	for i, f := range w.files {
		<-done[i]
		if f.status != failed || !w.stopped.Load() {
			w.out.line(f.base(), f.status, f.reason)
		}
	}
}

// copyFile copies a file to its real path; what other real paths the file has become
// hard links, as they are on the host.
func (w *writer) copyFile(f *file) string {
	err := w.copyTo(f, f.places[0].Real)
	switch {
	case err == nil:
		return copied
	case errors.Is(err, fs.ErrExist):
		return skipped
	}
	w.fail(err)
	return failed
}

// copyTo copies a file to a name in the jail.
func (w *writer) copyTo(f *file, name string) error {
	src, err := w.linker.Open(f.places[0])
	if err != nil {
		return err
	}
	defer src.Close()
	dropped, err := w.root.Copy(src.(*os.File), name)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range dropped {
		if !slices.Contains(w.dropped[what], f.base()) {
			w.dropped[what] = append(w.dropped[what], f.base())
		}
	}
	if w.nosuid && dropped == nil && hasPrivileges(src.(*os.File)) &&
		!slices.Contains(w.ignored, f.base()) {
		w.ignored = append(w.ignored, f.base())
	}
	return err
}

// hasPrivileges reports whether a program runs with more rights than its caller's.
func hasPrivileges(f *os.File) bool {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	n, _ := unix.Fgetxattr(int(f.Fd()), "security.capability", nil)
	return n > 0 || err == nil && st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0
}

// makeLinks makes the symbolic links that paths lead through. Where the jail has a
// directory, or a link to one, in such a place, that stays.
func (w *writer) makeLinks() {
	for _, link := range w.links {
		if w.stopped.Load() {
			return
		}
		if stat, err := w.root.Stat(link.Name); err == nil &&
			stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		err := w.root.Symlink(link.Target, link.Name)
		switch {
		case err == nil || errors.Is(err, fs.ErrExist):
		// nameFiles makes copies, and fails if EPERM has another cause
		case hasNoLinks(err):
			w.noLinks = true
		default:
			w.fail(err)
		}
	}
}

// hasNoLinks reports whether a file system has no links, such as vfat: symlink(2),
// link(2).
func hasNoLinks(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) ||
		errors.Is(err, unix.ENOSYS)
}

// nameFiles sees to it that each path leads to its file in the jail too. Where it doesn't
// yet, as below a directory lib that is a link to usr/lib on the host, a hard link does.
func (w *writer) nameFiles() {
	for _, f := range w.files {
		if f.status == failed || w.stopped.Load() {
			continue
		}
		if err := w.nameFile(f); err != nil {
			w.fail(err)
		}
	}
}

func (w *writer) nameFile(f *file) error {
	first := f.places[0].Real
	if len(f.places) == 1 && f.name() == first && f.status == copied {
		return nil
	}
	want, err := w.root.Stat(first)
	if f.status == skipped && errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s is a link that leads nowhere, and -n keeps it", first)
	}
	if err != nil {
		return err
	}
	for _, place := range f.places {
		for _, name := range []string{place.Real, place.Name} {
			if err := w.lead(name, f, &want); err != nil {
				return err
			}
		}
	}
	return nil
}

// lead sees to it that a name leads to a file, which want was found of.
func (w *writer) lead(name string, f *file, want *unix.Stat_t) error {
	first := f.places[0].Real
	got, err := w.root.Stat(name)
	if name == first || err == nil && got.Dev == want.Dev && got.Ino == want.Ino {
		return nil
	}
	err = w.root.Link(first, name)
	if errors.Is(err, unix.EXDEV) || hasNoLinks(err) { // a mount in the jail, or vfat
		err = w.copyTo(f, name)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// writeCache writes an ld.so.cache that lists what is in the jail: of the entries of the
// host's, and of the one that the jail may have from an earlier call, those whose files
// are there.
func (w *writer) writeCache(name string) {
	if w.stopped.Load() {
		return
	}
	host, _ := w.linker.Cache(name) // the search has told why it can't be read
	old, err := w.readCache(name)
	if err != nil {
		w.fail(fmt.Errorf("the jail's list of libraries: %w; remove it", err))
		return
	}
	isThere := w.isThere()
	isGone := func(file string) bool {
		_, err := w.linker.Place(file)
		return err != nil
	}
	kept := host.Kept(isThere, isGone)
	kept = append(kept, unlisted(present(old, isThere), kept)...)
	if kept == nil {
		return
	}
	status := copied
	err = w.root.WriteFile(name, kept.Bytes(w.order), 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		status = skipped
		w.failUnlisted(kept, old)
	case err != nil:
		status = failed
		w.fail(fmt.Errorf("write the list of libraries: %w", err))
	}
	w.out.line(path.Base(name), status, "")
	w.written = append(w.written,
		jsonFile{Path: name, Status: strings.Trim(status, "[]")})
}

// readCache returns the entries that an ld.so.cache in the jail has. One that the dynamic
// linker can't read has none.
func (w *writer) readCache(name string) (ldso.Cache, error) {
	b, err := w.root.ReadFile(name, ldso.MaxCache)
	switch {
	case errors.Is(err, unix.EFBIG):
		return nil, err
	case err != nil:
		return nil, nil
	}
	cache, err := ldso.ParseCache(b)
	if errors.Is(err, ldso.ErrLimit) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cache, nil
}

// isThere returns a function that reports whether a file is in the jail. It looks once.
func (w *writer) isThere() func(file string) bool {
	there := map[string]bool{}
	return func(file string) bool {
		is, known := there[file]
		if !known {
			stat, err := w.root.Stat(file)
			is = err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG
			there[file] = is
		}
		return is
	}
}

// present returns the entries whose files are there, each once.
func present(all ldso.Cache, isThere func(file string) bool) (kept ldso.Cache) {
	seen := map[ldso.CacheEntry]bool{}
	for _, entry := range all {
		if !seen[entry] && isThere(entry.Path) {
			seen[entry] = true
			kept = append(kept, entry)
		}
	}
	return kept
}

// unlisted returns the entries that aren't among others.
func unlisted(entries, others ldso.Cache) (more ldso.Cache) {
	listed := map[ldso.CacheEntry]bool{}
	for _, entry := range others {
		listed[entry] = true
	}
	for _, entry := range entries {
		if !listed[entry] {
			more = append(more, entry)
		}
	}
	return more
}

// failUnlisted tells which libraries the dynamic linker won't find in the jail, because
// an older ld.so.cache stays there.
func (w *writer) failUnlisted(kept, old ldso.Cache) {
	for _, entry := range kept {
		if !slices.Contains(old, entry) && !slices.Contains(w.system,
			path.Dir(entry.Path)) {
			w.fail(fmt.Errorf("the jail's ld.so.cache, which -n keeps, doesn't list "+
				"%s: do it without -n", entry.Path))
		}
	}
}
