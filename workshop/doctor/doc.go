// Package doctor is the command "workshop doctor": it tries on this machine what each
// step needs, and says what is in the way and what mends it.
//
// It probes by doing, and explains by reading. The probes run in children of their own,
// in new namespaces, and decide alone whether a step can run; what is read of the
// machine, its limits, its mounts, its kernel, only says why one can't.
//
// With --json it prints an object that keeps its shape:
//
//	can        all steps can run, as this user would run them
//	prefix     the command that has to stand in front of a step, or ""
//	steps      [{name, can, causes}]: the steps in order, and binlibdepcp; the causes
//	           are the ids of diagnoses
//	diagnoses  [{id, error, cause, mend, steps}]: what is in the way, of which steps;
//	           the mend is a command, the error what a probe met
//	notes      the same, for what no step needs but the chapters show
//	probes     [{name, ok, error}]: all that was tried, in order; last user, the user
//	           namespace, where it was tried
//
// Lists are never null. An id is a word that stays the same when the texts change.
package doctor
