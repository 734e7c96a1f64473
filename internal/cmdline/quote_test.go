package cmdline

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		"a\nb":         `$'a\nb'`,
		"\xff":         `$'\377'`,
		"\x1b[31m":     `$'\033[31m'`,
		"\x011":        `$'\0011'`,
		"\t'\\ö\xf6\n": `$'\t\'\\ö\366\n'`,
		"\u202e\ufffd": "$'\\342\\200\\256\ufffd'",
	} {
		assert.Equal(t, want, Quote(word))
	}
	for _, word := range []string{
		"a b", "it's\n", "\x01\n1", "\xffa", "\\n\r\t", "\u202e'\u200b7",
	} {
		out, err := exec.Command("bash", "-c", "printf %s "+Quote(word)).Output()
		require.NoError(t, err)
		assert.Equal(t, word, string(out), "what a shell reads")
	}
	assert.Equal(t, "sh -c 'echo $$'", QuoteAll([]string{"sh", "-c", "echo $$"}))
	assert.Equal(t, "a ...", QuoteAll([]string{"a", strings.Repeat("x", 300), "b"}))
	assert.Equal(t, `a "b" \x1b`, Printable("a \"b\" \x1b"))
}
