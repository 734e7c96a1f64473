// Package cmdline has what all programs of this suite share: how a command line is
// parsed and its help printed, how an error is reported and with which exit status, and
// how a word is quoted or shown.
package cmdline

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path is where a step looks up its command: the usual PATH of root.
const Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Printable escapes the characters that a terminal may take for a command.
func Printable(s string) string {
	s = strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1])
}

// Quote quotes a word for a POSIX shell if the word needs it. A word that would upset the
// terminal, or that isn't UTF-8, is quoted with $'...': a text between plain quotes would
// have to hold these bytes themselves.
func Quote(word string) string {
	const plain = "%+,-./0123456789:=@_" +
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	unprintable := func(r rune) bool { return !strconv.IsPrint(r) }
	switch {
	case !utf8.ValidString(word) || strings.ContainsFunc(word, unprintable):
		return quoteBytes(word)
	case word == "" || strings.Trim(word, plain) != "":
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// quoteBytes quotes a word with $'...', as bash, zsh and POSIX.1-2024 read it. A byte
// that can't be shown has three octal digits, so that no digit behind it counts.
func quoteBytes(word string) string {
	var b strings.Builder
	for len(word) > 0 {
		r, size := utf8.DecodeRuneInString(word)
		switch isRune := r != utf8.RuneError || size > 1; {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\'' || r == '\\':
			b.WriteString(`\` + word[:size])
		case isRune && strconv.IsPrint(r):
			b.WriteString(word[:size])
		default:
			for _, c := range []byte(word[:size]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
		word = word[size:]
	}
	return "$'" + b.String() + "'"
}

// QuoteAll quotes the words of a command line, up to a length that suits a line.
func QuoteAll(words []string) string {
	var quoted []string
	length := 0
	for _, word := range words {
		if length += len(word); length > 200 {
			quoted = append(quoted, "...")
			break
		}
		quoted = append(quoted, Quote(word))
	}
	return strings.Join(quoted, " ")
}
