//go:build linux

package session

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
)

// stepPrompt ends what is printed when a step has started a shell.
var stepPrompt = regexp.MustCompile(`(?m:^)step[0-9]+-[a-z]+[#$] $`)

// prompts are what the shells of a session print when they wait for a line: a text that
// no program can know, and the status of the last command.
type prompts struct {
	ps1, ps2 string // for more of a command: bash(1)
	end      *regexp.Regexp
}

func newPrompts() prompts {
	secret := fmt.Sprintf("%08x", rand.Uint32())
	end := regexp.MustCompile(secret + `(?::([0-9]+):|> )$`)
	return prompts{ps1: secret + ":$?:", ps2: secret + "> ", end: end}
}

// ready reports whether a shell waits for a line, or for more of one.
func (p prompts) ready(text string) bool { return p.end.MatchString(text) }

// status returns the status of the last command, or -1 if no shell waits for the next.
func (p prompts) status(text string) int {
	match := p.end.FindStringSubmatch(text)
	if match == nil || match[1] == "" {
		return -1
	}
	status, _ := strconv.Atoi(match[1])
	return status
}

// cut returns a text without the prompt at its end.
func (p prompts) cut(text string) string {
	return stepPrompt.ReplaceAllString(p.end.ReplaceAllString(text, ""), "")
}
