//go:build linux

package session

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name, page, run, vary string
		problem               string // a part of it, "" for none
	}{
		{"equal", "a\nb", "a\nb\n", "", ""},
		{"nothing", "", "", "", ""},
		{"spaces at the end of lines", "a  \nb", "a\nb  \n", "", ""},
		{"the width of a column", "a  b\n   c", "a b\n c\td", "", "-c\n+c d\n"},
		{
			"other widths", "[1]+  Terminated              sleep 9\n  c",
			"[1]+  Terminated                 sleep 9\nc", "", "",
		},
		{"words that come together", "a b", "ab", "", "-a b\n+ab\n"},
		{"a line more", "a", "a\nb\n", "", "+b\n"},
		{"a line less", "a\nb", "a\n", "", "-b\n"},
		{"output where there is none", "", "a\n", "", "+a\n"},
		{"a number that isn't named", "17", "18", "", "-17\n+18\n"},
		{"a pid", "I am 4711.", "I am 20.", "pid", ""},
		{"0 and 1 don't vary", "I am 1", "I am 17", "pid", "-I am 1\n"},
		{"0 and 1 don't vary, the other way", "I am 17", "I am 1", "pid", "+I am 1\n"},
		{"words around it", "I am 17", "I was 17", "pid", "-I am"},
		{
			"a column to the right", "    PID CMD\n   4711 sh\n  12345 ps",
			"PID CMD\n 18 sh\n  7 ps", "pid", "",
		},
		{"a column to the left", "PID    CMD\n4711   sh", "PID CMD\n18  sh", "pid", ""},
		{"the head of a column", "PID CMD", "PPID CMD", "pid", "-PID CMD"},
		{
			"columns of two kinds", "root  4711     1 09:23 pts/3 00:00:00 sh",
			"root 18  1 Nov02 pts/11 00:00:00 sh", "pid tty date", "",
		},
		{"jobs aren't pids", "[1] 5\n[2] 6", "[1] 2\n[2] 3", "pid", ""},
		{"another job", "[1] 5", "[2] 5", "pid", "-[1]"},
		{
			"inodes", "pid:[4026531836] -> pid:[4026532281]",
			"pid:[4026531840] -> pid:[4026532177]", "inode", "",
		},
		{"an inode's kind", "pid:[4026531836]", "mnt:[4026531840]", "inode", "-pid:["},
		{
			"one of the page, two of the run", "4026531836\n4026531836",
			"4026531840\n4026532177", "inode",
			"inode 4026531836 of the page is 4026532177 in the run, and was 4026531840 " +
				"before",
		},
		{
			"two of the page, one of the run", "4026531836\n4026531837",
			"4026531840\n4026531840", "inode",
			"inode 4026531836 and 4026531837 of the page are both 4026531840 in the run",
		},
		{"sizes", "4.0K total 17", "12M total 3", "size", ""},
		{"dates", "2026-11-22 09:23 x", "2027-01-02 10:00:03.5 x", "date", ""},
		{"a key", "0x1234abcd 0", "0xffffffff 0", "key", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Comparer
			problem := c.Compare(test.page, test.run, strings.Fields(test.vary))
			if test.problem == "" {
				assert.Empty(t, problem)
			} else {
				assert.Contains(t, problem, test.problem)
			}
		})
	}
}

// A process that is shown twice on a page is one process in the run, too.
func TestCompareThroughout(t *testing.T) {
	var c Comparer
	pid := []string{"pid"}
	assert.Empty(t, c.Compare("parent 4711 child 4712", "parent 20 child 21", pid))
	assert.Empty(t, c.Compare("still 4711", "still 20", pid))
	assert.Contains(t, c.Compare("still 4711", "still 21", pid), "was 20 before")
}
