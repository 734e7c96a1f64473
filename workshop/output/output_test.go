//go:build linux

package output

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFill(t *testing.T) {
	assert.Equal(t, "a bc\ndefghi\nj", Fill("a bc defghi j", 4))
	assert.Equal(t, "a b c", Fill("a b c", 0))
	assert.Equal(t, "", Fill("", 4))
	assert.Equal(t, "日本\n日本", Fill("日本 日本", 8), "a character may have two columns")
	assert.Equal(t, "  a bc\n  defghi\n  j", Indent("  ", "a bc defghi j", 6))
	assert.Equal(t, "  a\n  b", Indent("  ", "a b", 1))
}

func TestCut(t *testing.T) {
	assert.Equal(t, "é日", Cut("é日x", 3))
	assert.Equal(t, "日", Cut("日本", 1), "too narrow: a character")
	assert.Equal(t, "", Cut("", 3))
}

func TestList(t *testing.T) {
	assert.Equal(t, "", List(nil, " "))
	assert.Equal(t, "1, 2, 3, 4, 5", List([]string{"1", "2", "3", "4", "5"}, ", "))
	assert.Equal(t, "1 2 3 4 and 2 more",
		List([]string{"1", "2", "3", "4", "5", "6"}, " "))
}

func TestCount(t *testing.T) {
	assert.Equal(t, "0 processes", Count(0, "process", "processes"))
	assert.Equal(t, "1 process", Count(1, "process", "processes"))
	assert.Equal(t, "2 processes", Count(2, "process", "processes"))
}

// A terminal takes nothing in the text for an order, and a program reads the same string.
func TestJSON(t *testing.T) {
	for name, want := range map[string]string{
		"<a&b> 日本 é":           `"<a&b> 日本 é"`,
		"\x1b[1m\n\t\x7f":      `"\u001b[1m\n\t\u007f"`,
		"C1 \u0085\u009b":      `"C1 \u0085\u009b"`,
		"RLO \u202e\u2066":     `"RLO \u202e\u2066"`,
		"\ufeff \u2028 \u00a0": `"\ufeff \u2028 \u00a0"`,
		"tag \U000e0041":       `"tag \udb40\udc41"`,
	} {
		got, err := JSON(name)
		require.NoError(t, err)
		assert.Equal(t, want+"\n", got)
		var back string
		require.NoError(t, json.Unmarshal([]byte(got), &back))
		assert.Equal(t, name, back)
	}
	got, err := JSON("not UTF-8: \x9b")
	require.NoError(t, err)
	assert.True(t, strings.IndexFunc(strings.TrimSpace(got),
		func(r rune) bool { return !strconv.IsPrint(r) }) < 0)
	_, err = JSON(func() {})
	assert.Error(t, err)
}
