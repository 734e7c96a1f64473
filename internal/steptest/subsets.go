//go:build linux

package steptest

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// namespaces are the kinds that options of the programs make.
var namespaces = map[string]string{
	"-p": "pid", "-m": "mnt", "-u": "uts", "-n": "net", "-i": "ipc", "-U": "user",
	"-g": "cgroup", "-t": "time",
}

// EverySubset runs a program with every subset of options. An option with a value is
// given as "-u box", and with several as "-U root|nobody". Exactly the namespaces of the
// subset are new, unless the function fails returns a part of the error that the subset
// has. The words as, which may be none, stand before the program.
func EverySubset(t *testing.T, as []string, program string, options []string,
	fails func(subset []string) string,
) {
	t.Helper()
	NeedsHost(t)
	differs := regexp.MustCompile(
		`(?m)^(?:Parent| Child): ([a-z]+):(\[\d+\]) -> [a-z]+:(\[\d+\])$`)
	for _, subset := range Subsets(options) {
		args := slices.Concat(as, []string{Bin(program), "-v"}, subset, []string{"true"})
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if want := fails(subset); want != "" {
			assert.Error(t, err, "%q", args)
			assert.Contains(t, string(out), want, "%q", args)
			continue
		}
		if !assert.NoError(t, err, "%q: %s", args, out) {
			continue
		}
		var want, got []string
		for _, word := range subset {
			if kind := namespaces[word]; kind != "" {
				want = append(want, kind)
			}
		}
		for _, line := range differs.FindAllStringSubmatch(string(out), -1) {
			assert.NotEqual(t, line[2], line[3], "%q: %s", args, out)
			got = append(got, line[1])
		}
		assert.ElementsMatch(t, want, got, "%q: %s", args, out)
	}
}

// Subsets returns all subsets of options, as words of a command line. Of the values of
// an option, which have | between them, each is in some of the subsets.
func Subsets(options []string) [][]string {
	if len(options) == 0 {
		return [][]string{nil}
	}
	var all [][]string
	name, values, hasValue := strings.Cut(options[0], " ")
	for _, rest := range Subsets(options[1:]) {
		all = append(all, rest)
		for value := range strings.SplitSeq(values, "|") {
			words := []string{name}
			if hasValue {
				words = append(words, value)
			}
			all = append(all, slices.Concat(words, rest))
		}
	}
	return all
}

// Plain are the words before a command that make root of the machine an ordinary user.
var Plain = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
