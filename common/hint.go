//go:build linux

package common

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// facts are what a hint depends on besides the error.
type facts struct {
	args     []string          // the command line of this program
	jail     string            // the directory of --chroot, as typed, or ""
	uid      int               // in this user namespace
	sysAdmin bool              // CAP_SYS_ADMIN is effective
	userns   bool              // this user namespace isn't the initial one
	apparmor bool              // AppArmor restricts unprivileged user namespaces
	limits   map[string]string // the user.max_*_namespaces, by their names in Namespaces
}

func gather(args []string, jail string) facts {
	read := func(file string) string {
		text, _ := os.ReadFile(file)
		return strings.Join(strings.Fields(string(text)), " ")
	}
	const capSysAdmin = 21 // capabilities(7)
	status, _ := os.ReadFile("/proc/self/status")
	f := facts{
		args:     args,
		jail:     jail,
		uid:      os.Getuid(),
		sysAdmin: mask(status, "CapEff:")&(1<<capSysAdmin) != 0,
		userns:   read("/proc/self/uid_map") != "0 0 4294967295",
		apparmor: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1",
		limits:   map[string]string{},
	}
	for _, ns := range Namespaces {
		f.limits[ns.File] = read("/proc/sys/user/max_" + ns.File + "_namespaces")
	}
	return f
}

// hints answer the failures that have one cause. In a text, OBJECT is the error's
// object, PROGRAM this one, SUDO is "sudo " where it takes that, and JAIL fills the jail.
var hints = []struct {
	operation string
	errno     unix.Errno
	text      string
}{
	{"clone", unix.EINVAL, "the kernel lacks one of these; it has what this lists: ls /proc/self/ns"},
	{"clone", unix.EAGAIN, "too many processes, RLIMIT_NPROC or a pids cgroup; see: ulimit -u"},
	{"mmap", unix.ENOMEM, "a limit leaves too little memory for a second Go program: ulimit -v unlimited"},
	{"lock", unix.EAGAIN, "another run holds it, perhaps a stopped one (fg); to see the process: lslocks"},
	{"re-execute", unix.ENOENT, "a step finds itself in /proc: SUDOmount -t proc proc /proc"},
	{"mount proc on", unix.EPERM, "an outer container masks parts of its /proc, which a new one would " +
		"show; start that with: docker run --security-opt systempaths=unconfined"},
	{"make mounts private below", unix.EINVAL, "the root directory isn't a mount point, as in a " +
		"chroot; before that: mount --bind DIR DIR"},
	{"chroot", unix.ENOENT, "make the jail: JAIL"},
	{"mkdir", unix.EACCES, "the jail is another user's: make one of your own, or be its owner"},
	{"mkdir", unix.EPERM, "the jail is another user's: make one of your own, or be its owner"},
	{"chroot", unix.ENOTDIR, "-c takes a directory, as in: PROGRAM -c jail sh"},
	{"chroot", unix.EACCES, "a directory on the way may not be entered: namei -l OBJECT"},
	{"mq_open", unix.EMFILE, "not open files, but the bytes for a user's queues, RLIMIT_MSGQUEUE: " +
		"remove queues, rm /dev/mqueue/NAME\nor raise it: SUDOprlimit --pid $$ --msgqueue=unlimited"},
	{"mq_open", unix.ENOSPC, "not the disk, but the number of queues: " +
		"SUDOsysctl -w fs.mqueue.queues_max=1024"},
	{"mq_open", unix.EINVAL, "queues are kept smaller here, mq_overview(7): " +
		"SUDOsysctl -w fs.mqueue.msg_max=10 fs.mqueue.msgsize_max=8192"},
	{"mq_open", unix.ENOSYS, "the kernel has no POSIX message queues; WSL 1 and gVisor lack them"},
	{"mq_unlink", unix.EPERM, "the queue is another user's: SUDOmount -t mqueue none /mnt; " +
		"SUDOrm /mntOBJECT; SUDOumount /mnt"},
	{"exec", unix.ENOEXEC, "no program for this machine; a script starts with a line like #!/bin/sh"},
}

// hint returns a line on what mends an error, with a command to copy where there is
// one, or "" where there is nothing to add.
func hint(err error, f facts) string {
	var failed *fs.PathError
	if !errors.As(err, &failed) {
		return ""
	}
	op, object, errno := failed.Op, failed.Path, failed.Err
	switch {
	case op == "exec" && errno == unix.ENOENT:
		return f.missing(object)
	case op == "exec" && errno == unix.EACCES:
		return f.refused(object)
	case op == "clone" && errno == unix.ENOSPC:
		return f.limited(object)
	case op == "chroot" && strings.HasPrefix(object, "-"):
		return "an option with a value comes last, as in: " + Quote(f.args[0]) + " -pmc jail sh"
	case errno == unix.EPERM && op != "mq_unlink" && (op != "mount proc on" || !f.sysAdmin):
		return f.unprivileged()
	}
	for _, h := range hints {
		if h.operation == op && h.errno == errno {
			return strings.NewReplacer("OBJECT", Quote(object), "SUDO", f.sudo(),
				"PROGRAM", Quote(f.args[0]), "JAIL", f.binlibdepcp("/bin/sh")).Replace(h.text)
		}
	}
	return ""
}

// unprivileged answers EPERM. A namespace takes CAP_SYS_ADMIN in the user namespace
// that owns it: user_namespaces(7).
func (f facts) unprivileged() string {
	self := quoteAll(f.args)
	switch {
	case f.apparmor && (f.userns || f.uid != 0):
		return "AppArmor restricts unprivileged user namespaces; be root: sudo " + self +
			"\nor allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	case f.sysAdmin || f.uid == 0:
		return "even root may not, as in a container; start that with: docker run --privileged"
	}
	return "be root: sudo " + self +
		"\nor root in a user namespace: unshare --user --map-root-user " + self
}

// limited answers ENOSPC of clone(2) with the limits of the namespaces in flags, those
// that are 0 if any is.
func (f facts) limited(flags string) string {
	var asked, zero []string
	for _, ns := range Namespaces {
		if strings.Contains(flags, ns.Name) {
			limit := "user.max_" + ns.File + "_namespaces=10000"
			asked = append(asked, limit)
			if f.limits[ns.File] == "0" {
				zero = append(zero, limit)
			}
		}
	}
	if zero != nil {
		asked = zero
	}
	return "not the disk, but a limit of namespaces, or 32 nested ones, namespaces(7): " +
		f.sudo() + "sysctl -w " + strings.Join(asked, " ")
}

// missing tells apart what all reads "no such file or directory": execve(2). The child
// is in the jail by now, so that it looks where the kernel did.
func (f facts) missing(file string) string {
	what, bring := "the command", file
	if kind, name := interpreter(file); name != "" {
		if kind == "#! interpreter" && exists(name) {
			return f.missing(name) // which needs something in its turn
		}
		what = "the file is there, but its " + kind + " " + Printable(name)
		if bring = name; kind == "ELF interpreter" { // it comes with what the file needs else
			if real, err := filepath.EvalSymlinks(file); err == nil {
				file = real // outside, an absolute link leads elsewhere
			}
			bring = filepath.Join(f.jail, file)
		}
	}
	switch {
	case f.jail != "":
		return what + " isn't in the jail: " + f.binlibdepcp(bring)
	case what != "the command":
		return what + " isn't"
	case !strings.Contains(file, "/"):
		return "there is no such program in " + path +
			"; what is elsewhere takes its path, what a shell provides takes sh -c"
	}
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func (f facts) refused(file string) string {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return "it is a directory"
	case err == nil && info.Mode()&0o111 == 0:
		return "it isn't executable: chmod +x " + Quote(filepath.Join(f.jail, file))
	}
	return ""
}

// binlibdepcp returns the command that brings into the jail what a program needs, and
// the program itself unless it is there. The tool is built beside the steps.
func (f facts) binlibdepcp(program string) string {
	tool := "binlibdepcp"
	if strings.Contains(f.args[0], "/") {
		tool = filepath.Join(filepath.Dir(f.args[0]), tool)
	}
	return Quote(tool) + " " + Quote(program) + " " + Quote(f.jail)
}

func (f facts) sudo() string {
	if f.uid == 0 {
		return ""
	}
	return "sudo "
}

// interpreter returns the name of what the kernel needs besides the file to execute it:
// that of its #! line, execve(2), or of its PT_INTERP program header, elf(5).
func interpreter(file string) (kind, name string) {
	head := make([]byte, 4096)
	f, err := os.Open(file)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
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
	if string(head[:6]) != "\x7fELF\x02\x01" { // of 64 bits, little endian
		return "", ""
	}
	// The import of debug/elf would slow the start of every step.
	le := binary.LittleEndian
	for i := range uint64(le.Uint16(head[56:])) { // e_phnum
		p := le.Uint64(head[32:]) + i*56 // e_phoff
		if p > uint64(len(head)-56) {
			break
		}
		if le.Uint32(head[p:]) == 3 { // PT_INTERP; p_offset is at 8, p_filesz at 32
			text := make([]byte, min(le.Uint64(head[p+32:]), unix.PathMax))
			n, _ := f.ReadAt(text, int64(le.Uint64(head[p+8:])))
			return "ELF interpreter", strings.TrimRight(string(text[:n]), "\x00")
		}
	}
	return "", ""
}

// Printable escapes what a terminal could take for something else than text.
func Printable(s string) string {
	s = strconv.Quote(s)
	return strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
}

// quoteAll quotes the words of a command line, up to a length that suits a line.
func quoteAll(words []string) string {
	var quoted []string
	length := 0
	for _, word := range words {
		if length += len(word); length > 200 {
			quoted = append(quoted, "...")
			break
		}
		quoted = append(quoted, Quote(word))
	}
	return strings.Join(quoted, " ")
}

// Quote quotes a word for a POSIX shell if it needs that; one that would upset the
// terminal is shown as a Go string.
func Quote(word string) string {
	const plain = "%+,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	switch {
	case !utf8.ValidString(word) || strings.ContainsFunc(word, func(r rune) bool { return !strconv.IsPrint(r) }):
		return strconv.Quote(word)
	case word == "" || strings.Trim(word, plain) != "":
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}
