//go:build linux

// Package linux reads what the kernel says of processes in /proc, and makes the system
// calls that need more care than package unix takes. The steps link it, so it imports
// next to nothing, and does nothing at their start.
//
// Each fact of /proc is read here and nowhere else. Functions that parse take a text, so
// that tests can give them one.
package linux
