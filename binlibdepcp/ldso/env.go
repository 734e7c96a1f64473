//go:build linux

package ldso

import "strings"

// An Env is what env(1) does as the interpreter of a script.
type Env struct {
	Command string   // what it runs, "" if that isn't plain
	Path    []string // where it looks for it: SearchPath, or the PATH that it sets
}

// ParseEnv reads the argument of env in a #! line, all of which is one argument. With the
// option -S, env splits it: "perl", "-S VAR=x perl -w", "-vS -u VAR 'perl'".
func ParseEnv(argument string) Env {
	args, dir := []string{argument}, ""
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && !endsEnvOptions(args[0]) {
		option, ok := cutEnvOption(args)
		args = option.rest
		if option.name == 'S' && ok {
			var words []string
			words, ok = splitEnv(option.value)
			args = append(words, args...)
		}
		if option.name == 'C' {
			dir = option.value
		}
		if !ok {
			return Env{}
		}
	}
	if len(args) > 0 && endsEnvOptions(args[0]) {
		args = args[1:]
	}
	e := parseEnvOperands(args)
	if dir != "" && strings.Contains(e.Command, "/") && e.Command[0] != '/' {
		e.Command = dir + "/" + e.Command
	}
	if strings.Contains(e.Command+strings.Join(e.Path, ""), envUnknown) {
		return Env{}
	}
	return e
}

// endsEnvOptions reports whether a word ends the options; "-" is one itself, -i.
func endsEnvOptions(word string) bool { return word == "-" || word == "--" }

// parseEnvOperands reads what comes after the options: variables, then the command.
func parseEnvOperands(args []string) Env {
	e := Env{Path: SearchPath}
	for _, word := range args {
		name, value, isVariable := strings.Cut(word, "=")
		switch {
		case !isVariable:
			e.Command = word
			return e
		case name == "PATH":
			e.Path = strings.Split(value, ":")
		}
	}
	return Env{}
}

// An envOption is an option of env, with its value.
type envOption struct {
	name  byte // of its short form, 0 for options that don't matter here
	value string
	rest  []string // the arguments that come after it
}

// envLong are the long options of env that have a value, by their short forms.
var envLong = map[string]byte{
	"unset": 'u', "chdir": 'C', "split-string": 'S', "argv0": 'a',
}

// cutEnvOption takes an option off the front of the arguments.
func cutEnvOption(args []string) (o envOption, ok bool) {
	word, rest := args[0], args[1:]
	var value string
	var hasValue bool
	if long, isLong := strings.CutPrefix(word, "--"); isLong {
		long, value, hasValue = strings.Cut(long, "=")
		if o.name = envLongName(long); o.name == 0 {
			o.rest = rest
			return o, true
		}
	} else {
		flags := strings.TrimLeft(word[1:], "iv0") // these have no value
		if flags == "" {
			o.rest = rest
			return o, true
		}
		o.name, value = flags[0], flags[1:]
		hasValue = value != ""
		if !strings.Contains("uCSa", flags[:1]) {
			return o, false
		}
	}
	if !hasValue {
		if len(rest) == 0 {
			return o, false
		}
		value, rest = rest[0], rest[1:]
	}
	o.value, o.rest = value, rest
	return o, true
}

// envLongName returns the short form of a long option, which may be cut short as long as
// it is plain, getopt_long(3); or 0.
func envLongName(long string) byte {
	for name, short := range envLong {
		if long != "" && strings.HasPrefix(name, long) {
			return short
		}
	}
	return 0
}

// envUnknown stands for the value of a variable, which nobody knows here.
const envUnknown = "\x00"

// splitEnv splits a text into words as the option -S of env does.
func splitEnv(text string) (words []string, ok bool) {
	var word []byte
	begun, quote := false, byte(0)
	end := func() {
		if begun {
			words = append(words, string(word))
		}
		word, begun = nil, false
	}
	for text != "" {
		c, size, kind := envChar(text, quote, begun)
		text = text[size:]
		switch kind {
		case envBad:
			return nil, false
		case envQuote:
			quote ^= c
			begun = true
		case envSpace:
			end()
		case envEnd:
			text = ""
		case envText:
			word = append(word, c)
			begun = true
		}
	}
	end()
	return words, quote == 0
}

// Kinds of characters in the argument of -S.
const (
	envText  = iota
	envQuote // begins or ends a quoted part
	envSpace // ends a word
	envEnd   // of all that counts
	envBad   // env refuses it
)

// envChar reads a character: what it stands for, and how much of the text it takes.
func envChar(text string, quote byte, begun bool) (c byte, size, kind int) {
	c = text[0]
	switch {
	case (c == '\'' || c == '"') && (quote == 0 || quote == c):
		return c, 1, envQuote
	case quote == 0 && strings.IndexByte(" \t\n\v\f\r", c) >= 0:
		return c, 1, envSpace
	case quote == 0 && c == '#' && !begun:
		return c, 1, envEnd
	case c == '\\':
		return envEscape(text, quote)
	case c == '$' && quote != '\'':
		name, _, closed := strings.Cut(text, "}")
		if !closed || !strings.HasPrefix(name, "${") || len(name) == len("${") {
			return c, 1, envBad
		}
		return envUnknown[0], len(name) + 1, envText
	}
	return c, 1, envText
}

// envEscape reads a character that is written with a backslash.
func envEscape(text string, quote byte) (c byte, size, kind int) {
	if len(text) == 1 {
		return 0, 1, envBad
	}
	c = text[1]
	if quote == '\'' && c != '\\' && c != '\'' {
		return '\\', 1, envText
	}
	switch c {
	case '"', '#', '$', '\'', '\\':
		return c, 2, envText
	case 'f', 'n', 'r', 't', 'v':
		return "\f\n\r\t\v"[strings.IndexByte("fnrtv", c)], 2, envText
	case '_':
		if quote == '"' {
			return ' ', 2, envText
		}
		return c, 2, envSpace
	case 'c':
		if quote == 0 {
			return c, 2, envEnd
		}
	}
	return c, 2, envBad
}
