package cmdline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"":             "''",
		"plain":        "plain",
		"/a-b_c.d,e=f": "/a-b_c.d,e=f",
		"a b":          "'a b'",
		"it's":         `'it'\''s'`,
		"$HOME":        "'$HOME'",
		"*":            "'*'",
		"~":            "'~'",
		"größe":        "'größe'",
		"a\nb":         `"a\nb"`,
		"\xff":         `"\xff"`,
		"\x1b[31m":     `"\x1b[31m"`,
	} {
		assert.Equal(t, want, Quote(word))
	}
	assert.Equal(t, "sh -c 'echo $$'", QuoteAll([]string{"sh", "-c", "echo $$"}))
	assert.Equal(t, "a ...", QuoteAll([]string{"a", strings.Repeat("x", 300), "b"}))
	assert.Equal(t, `a "b" \x1b`, Printable("a \"b\" \x1b"))
}
