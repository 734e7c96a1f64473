//go:build linux

package session

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// started reports whether a new shell has printed its first prompt.
func started(text, prompt string) bool {
	return strings.HasSuffix("\n"+text, "\n"+prompt+" ")
}

// prompts are what the shells of a session print when they wait for a line: a text that
// no program can know, the status of the last command, and the prompt that a person sees.
type prompts struct {
	secret string
	end    *regexp.Regexp
}

func newPrompts() prompts {
	secret := fmt.Sprintf("%08x", rand.Uint32())
	end := regexp.MustCompile(secret + `(?::([0-9]+):([^\n]*[#$]) |> )$`)
	return prompts{secret: secret, end: end}
}

// setup is the command that makes a shell print them (bash(1)).
func (p prompts) setup() string {
	return fmt.Sprintf(`PROMPT_COMMAND='printf %s:%%s: $? >&2' PS2='%s> '`,
		p.secret, p.secret)
}

// ready reports whether a shell waits for a line, or for more of one.
func (p prompts) ready(text string) bool { return p.end.MatchString(text) }

// more reports whether a shell waits for more of a command.
func (p prompts) more(text string) bool { return strings.HasSuffix(text, p.secret+"> ") }

// status returns the status of the last command, or -1 if no shell waits for the next.
func (p prompts) status(text string) int {
	match := p.end.FindStringSubmatch(text)
	if match == nil || match[1] == "" {
		return -1
	}
	status, _ := strconv.Atoi(match[1])
	return status
}

// shown returns the prompt that a person sees.
func (p prompts) shown(text string) string {
	if match := p.end.FindStringSubmatch(text); match != nil {
		return match[2]
	}
	return ""
}

// cut returns a text without the prompt at its end.
func (p prompts) cut(text string) string { return p.end.ReplaceAllString(text, "") }
