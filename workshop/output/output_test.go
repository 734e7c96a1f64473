//go:build linux

package output

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFill(t *testing.T) {
	assert.Equal(t, "a bc\ndefghi\nj", Fill("a bc defghi j", 4))
	assert.Equal(t, "a b c", Fill("a b c", 0))
	assert.Equal(t, "", Fill("", 4))
}
