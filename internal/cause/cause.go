//go:build linux

// Package cause is the one account of why an operation fails on a machine, and of the
// command that fixes it. The steps and "workshop doctor" print what it says, and
// docs/troubleshooting.md has an entry for each text.
//
// An errno has many causes. Which one it is depends on the operation, on its object, and
// on the machine: so Gather collects the facts of the machine once, and Explain looks for
// the first hint that fits. The order of the hints decides.
//
// Every step links this package, so it imports nothing that slows the start of a program
// (no regexp, text/template, debug/elf or net).
package cause

import (
	"strconv"
	"strings"
	"syscall"

	"nsteps/internal/cmdline"
)

// A Cause says why an operation failed.
type Cause struct {
	ID      string // a word that stays the same when the texts change
	Text    string // why it failed, and what the command does
	Command string // fixes it; "" if no command can
	Or      string // a line about another way, or ""
}

// String returns the cause as a step prints it.
func (c Cause) String() string {
	text := c.Text
	if c.Command != "" {
		text += ": " + c.Command
	}
	if c.Or != "" {
		text += "\n" + c.Or
	}
	return text
}

// A Hint is the cause of a failure, if the failure is one of these operations with this
// errno, and if the facts allow it.
//
// In the texts of a cause, words in capital letters stand for what varies: OBJECT (the
// error's), PROGRAM and SELF (this program, and its whole command line), SUDO ("sudo "
// for those who aren't root), JAIL (the directory of --chroot), FILL (the command that
// makes such a jail), EMULATOR, WSL (the distribution there), FILES
// (the limit of open files). Make writes its texts itself.
type Hint struct {
	Operations string        // several with | between; "" means every operation
	Errno      syscall.Errno // 0 means every errno
	When       func(f *Facts, object string) bool
	Cause      Cause
	Make       func(f *Facts, object string) Cause // in the place of Cause
}

// Explain returns the cause of a failed operation, or the zero Cause if none is known. A
// program may bring hints of its own along, which come before most others.
func (f *Facts) Explain(operation, object string, errno syscall.Errno,
	own ...Hint,
) Cause {
	for _, list := range [][]Hint{first, own, hints} {
		for _, h := range list {
			if h.fits(f, operation, object, errno) {
				return h.cause(f, object)
			}
		}
	}
	return Cause{}
}

func (h Hint) fits(f *Facts, operation, object string, errno syscall.Errno) bool {
	return (h.Operations == "" || contains(h.Operations, operation)) &&
		(h.Errno == 0 || h.Errno == errno) && (h.When == nil || h.When(f, object))
}

// contains reports whether a list with | between its words has the word.
func contains(list, word string) bool {
	return strings.Contains("|"+list+"|", "|"+word+"|")
}

func (h Hint) cause(f *Facts, object string) Cause {
	if h.Make != nil {
		return h.Make(f, object)
	}
	words := strings.NewReplacer("OBJECT", cmdline.Quote(object), "SUDO", f.Sudo(),
		"PROGRAM", cmdline.Quote(f.Args[0]), "SELF", cmdline.QuoteAll(f.Args),
		"JAIL", cmdline.Quote(f.Jail), "FILL", f.fill("/bin/sh"),
		"EMULATOR", cmdline.Printable(f.Emulator), "WSL", cmdline.Quote(f.WSL),
		"FILES", strconv.FormatUint(f.OpenFiles, 10))
	return Cause{
		ID: h.Cause.ID, Text: words.Replace(h.Cause.Text),
		Command: words.Replace(h.Cause.Command), Or: words.Replace(h.Cause.Or),
	}
}
