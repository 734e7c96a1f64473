// Package common is what a step calls that is not the step's lesson.
//
// A step is one program in two processes. The parent is the process that a person
// started. The child is the same program again, cloned into the new namespaces, where it
// becomes the command:
//
//	parent                          child
//	Main                            .
//	  Start ──────── clone ───────> Main
//	  ...                             waits
//	  Child.Release ──────────────>   sets its namespaces up
//	  Child.Wait                      Exec: is the command from here on
//	    exits with its status <───    exits
//
// In C, the clone() of the library, clone(2), takes a function to run in the child. Go
// can't: between clone and execve only the cloned thread exists, without the rest of the
// Go runtime (its scheduler, its garbage collector), so no Go code may run there. Start
// therefore executes /proc/self/exe, this program again, with the same arguments. Main
// tells the two apart by one environment variable, which the command never sees.
//
// The child waits before it does anything, until the parent has said what it knows and
// has done its half of the set-up. Parent and child hold the two ends of a socket. A byte
// hands the turn to the other side, so the output of both has one order. End of file
// means that the other side is gone or, to the parent, that the child is the command.
//
// The namespaces themselves are made in the steps, not here.
package common
