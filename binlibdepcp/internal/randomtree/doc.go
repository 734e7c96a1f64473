// Package randomtree is a test without a program: it makes random small trees of programs
// and libraries, and compares what package ldso finds for a program with what the dynamic
// linker of that tree really loads for it.
//
// # A tree
//
// A tree has programs for three dynamic linkers (glibc's for x86-64 and for i386, and
// musl's), libraries, symbolic links, and sometimes a file that can't be loaded. One line
// describes one file:
//
//	tree; START /srv; CONF /opt/lib
//	/bin/app program x86-64; NEEDED liba.so; RUNPATH /opt/link/../lib
//	/srv/lib/liba.so library x86-64; SONAME libb.so
//	/opt/link link ../srv/d
//
// START is the directory that the programs are started in, LIBRARY_PATH is
// LD_LIBRARY_PATH, and each CONF is a directory of ld.so.conf. The tree has an
// ld.so.cache if there is a CONF. A file that is GONE is removed after ldconfig has run.
//
// # The comparison
//
// The programs and libraries are copies of two templates, testdata/program.c and
// testdata/library.c, with other entries in their dynamic sections: that is much faster
// than a linker. A program is started in the tree, under chroot. It prints the list of
// loaded objects that the dynamic linker keeps for debuggers. Then each object opens
// what its dlopen notes name, and the program prints the list again. If the program can't
// start, the dynamic linker is asked with LD_TRACE_LOADED_OBJECTS. Now and then
// binlibdepcp copies the program into a jail, and it has to load the same there.
//
// Where the two answers differ, the test removes lines and entries from the tree as long
// as they still differ, and prints what is left.
//
//	NSTEPS_TREE=NUMBER   compare this tree only, and show it
//	NSTEPS_TREE=FILE     compare the tree that a file describes
//	NSTEPS_TREES=NUMBER  compare that many trees, from the first seed on
//	NSTEPS_SOAK=1        compare trees for an hour, other ones each time: go test needs
//	                     a -timeout of more
//
// A tree that has shown a fault is kept in testdata/*.tree.
package randomtree
