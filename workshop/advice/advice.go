//go:build linux

// Package advice makes the command lines that a person is told to type. They depend on
// who that is, and on how this program was called.
package advice

import (
	"os"
	"strings"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
)

// A Person has called this program.
type Person struct {
	Root    bool   // perhaps only in a user namespace
	UserNS  bool   // this user namespace isn't the initial one
	PIDNS   bool   // this PID namespace isn't the initial one
	Called  string // the directory of this program as it was called, "" if PATH has it
	Program string // the directory of this program
}

// Me returns the person who has called this program.
func Me() Person {
	program, _ := os.Executable()
	return Person{
		Root:    os.Geteuid() == 0,
		UserNS:  !linux.InInitialUser(),
		PIDNS:   !linux.InInitialPID(),
		Called:  directory(os.Args[0]),
		Program: directory(program),
	}
}

// Call returns how this person calls a program of this suite.
func (p Person) Call(program, args string) string {
	return join(cmdline.Quote(p.Called+program), args)
}

// AsRoot returns how this person calls a program of this suite as root. sudo(8) has a
// PATH of its own, so behind it stands the whole path of a program that PATH has.
func (p Person) AsRoot(program, args string) string {
	if p.Root {
		return p.Call(program, args)
	}
	if p.Called == "" {
		program = p.Program + program
	}
	return join("sudo "+cmdline.Quote(p.Called+program), args)
}

func join(program, args string) string {
	return strings.TrimSuffix(program+" "+args, " ")
}

// directory returns the path of a file up to its name, or "".
func directory(file string) string { return file[:strings.LastIndex(file, "/")+1] }

// An Error is an error with lines below it that name the fix.
type Error struct {
	Err    error
	Advice string // lines, or ""
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without the advice.
func (e *Error) Unwrap() error { return e.Err }
