// Package jail writes files below a root directory that is not trusted.
//
// A jail is a directory that becomes the root of a process: chroot(2). What is in it may
// be that process's work, or come from an archive. Who writes into it from outside, as
// root perhaps, follows what lies there. A symbolic link jail/lib -> /usr/lib means the
// jail's own /usr/lib to a process inside; to cp(1) outside it means the host's, and the
// host's libraries are overwritten. To look for links first is no help: they can be put
// there between the look and the write.
//
// The method has four parts:
//
//   - The root is opened once. From then on no path is resolved from the host's root or
//     from the working directory.
//   - A directory in the jail is opened by openat2(2) with RESOLVE_IN_ROOT: the kernel
//     resolves absolute links and ".." as chroot(2) would, whatever happens meanwhile.
//     A kernel before 5.6, or a seccomp filter, may not have the call. Then [os.Root]
//     does it, which refuses every link that is absolute or leads out: fewer jails can be
//     written, none of them unsafely.
//   - Everything else is a system call with the handle of a directory and a single
//     component, and doesn't follow a link there.
//   - A file is made complete under a temporary name beside its place, exclusively, and
//     renamed. So a link or a FIFO in its place is replaced and not written through; a
//     program that is being executed can be replaced (no ETXTBSY); and a run that is
//     killed leaves no half file under a real name. The next run removes a temporary file
//     that a killed run has left: a mark in the root directory says that there may be
//     such files. A lock on the root directory, flock(2), ensures that the file isn't
//     another run's.
//
// A process inside can still move directories about, so that a file ends in another place
// of the jail, hold the lock, and make calls fail. A crash of the machine, rather than of
// the program, is not provided for: nothing is synced to disk.
package jail
