package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A beginner understands the first sentence of each entry of the glossary: it has no
// other word of the glossary in it.
func TestGlossary(t *testing.T) {
	text, err := FS.ReadFile("glossary.md")
	require.NoError(t, err)
	entry := regexp.MustCompile(`(?m)^((?:\*\*[^*]+\*\*(?:, )?)+): ((?:.+\n)+)`)
	name := regexp.MustCompile(`\*\*([^*]+)\*\*`)
	sentence := regexp.MustCompile(`^(?s:.*?)\.(?:\s|$)`)
	entries := entry.FindAllStringSubmatch(string(text), -1)
	require.Equal(t, strings.Count(string(text), "\n**"), len(entries))
	var words []string
	for _, e := range entries {
		for _, n := range name.FindAllStringSubmatch(e[1], -1) {
			words = append(words, n[1])
		}
	}
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b []string) int {
		plain := strings.NewReplacer("*", "")
		return strings.Compare(strings.ToLower(plain.Replace(a[1])),
			strings.ToLower(plain.Replace(b[1])))
	})
	for i, e := range entries {
		assert.Equal(t, sorted[i][1], e[1], "the order of the entries")
		first := strings.ToLower(sentence.FindString(e[2]))
		for _, word := range words {
			if strings.Contains(strings.ToLower(e[1]), strings.ToLower(word)) {
				continue
			}
			used := regexp.MustCompile(
				`\b` + regexp.QuoteMeta(strings.ToLower(word)) + `s?\b`)
			assert.False(t, used.MatchString(first),
				"%s: its first sentence needs the word %s", e[1], word)
		}
	}
}
