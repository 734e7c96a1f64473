// Package doctor is the command "workshop doctor": it tries on this machine what each
// step needs, and prints what is in the way, why, and a command that fixes it.
//
// It probes by doing, and explains by reading. The probes run one after the other, in
// children of their own, in new namespaces, and decide alone whether a step can run. The
// facts of the machine, which package cause gathers, only explain why a step can't run.
//
// With --json it prints an object that keeps its shape:
//
//	can        all steps of the workshop can run, as this user would run them
//	prefix     the command that has to stand in front of a step, or ""
//	steps      [{name, can, causes}]: the steps in order, and binlibdepcp; the causes
//	           are the ids of diagnoses
//	diagnoses  [{id, error, cause, fix, steps}]: what is in the way, of which steps;
//	           the fix is a command, the error what a probe met; the
//	           id "slow" means that nothing was found out in time
//	notes      the same, for what no step needs but the chapters show
//	probes     [{name, ok, error}]: all that was tried, in order; last user, the user
//	           namespace, where it was tried
//
// Lists are never null. An id is a word that stays the same when the texts change.
package doctor
