//go:build linux

package clocks

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The kernel takes no negative nanoseconds.
func TestOffsets(t *testing.T) {
	for value, want := range map[string]string{
		"0": "0 0", "24h": "86400 0", "-1h": "-3600 0", "1.5s": "1 500000000",
		"-1.5s": "-2 500000000", "-1ns": "-1 999999999", "1m1ms": "60 1000000",
		"2562047h": "9223369200 0", "-2562047h": "-9223369200 0",
	} {
		assert.Equal(t, "monotonic "+want+"\nboottime "+want+"\n", Offsets(value), value)
	}
}

func TestCheck(t *testing.T) {
	for value, ok := range map[string]bool{
		"24h": true, "-90m": true, "0": true, "1h2m3s": true, "5": false, "": false,
		"-p": false, "1d": false, "24 h": false, "9999999h": false, "tomorrow": false,
	} {
		assert.Equal(t, ok, Check(nil, value) == nil, value)
	}
}
