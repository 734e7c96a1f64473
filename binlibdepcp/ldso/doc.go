// Package ldso finds what a dynamically linked program needs, the way its dynamic linker
// would, and without running anything.
//
// # What happens at a start
//
// execve(2) maps the program, and with it the program that its PT_INTERP names: the ELF
// interpreter, that is the dynamic linker, ld.so(8). That one runs first. It reads the
// program's dynamic section and finds a file for each DT_NEEDED, a name such as
// "libc.so.6"; maps the file; reads its dynamic section; and so on, breadth first, until
// nothing is missing. What came together is the program's closure.
//
// Each part of that is a file here: file.go reads ELF, machine.go tells which files fit a
// machine, search.go knows where a name is looked for, token.go what $ORIGIN means there,
// cache.go reads /etc/ld.so.cache, interpreter.go asks the dynamic linker itself what was
// built into it, and libc.go the C library. tree.go walks symbolic links, space.go
// remembers what is loaded under which name, needs.go has the order in which that
// happens, and closure.go puts them together. script.go and env.go read #! lines.
//
// # Why not ask the dynamic linker
//
// ldd(1) starts the dynamic linker with an environment variable that asks it to print
// instead of to run. That executes part of what is being inspected: the constructors of a
// DT_AUDIT library run in any case, and an older ldd started whatever interpreter the
// file names, CVE-2009-5064. It also works for this machine's programs only. Here nothing
// is executed, files are opened without blocking, and every number that is read from one
// is checked.
//
// # Two dynamic linkers
//
// glibc's and musl's search in different places and match names in different ways. The
// rules here are those of elf/dl-load.c, elf/dl-deps.c and elf/dl-cache.c of glibc 2.36,
// and of ldso/dynlink.c of musl 1.2. Where releases of glibc differ, that of the tree's
// dynamic linker decides. The interpreter's own bytes tell whether it is glibc's or
// musl's, its release, and its system directories, so that nothing needs to be known of a
// distribution.
//
// Left out are the subdirectories that glibc looked into until 2.36 besides glibc-hwcaps,
// such as tls/haswell: today's distributions have no libraries there. Nor does it follow
// glibc where that forgets a directory: after a search that finds nothing in "/", glibc
// never looks there again.
package ldso
