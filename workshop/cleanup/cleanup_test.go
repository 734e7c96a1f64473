//go:build linux

package cleanup

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStartedIn(t *testing.T) {
	for environ, want := range map[string]string{
		"PATH=/bin\x00HOME=/root\x00PS1=step3-uts# \x00TERM=xterm\x00": "step3-uts",
		"PS1=step6-chroot$ \x00":      "step6-chroot",
		"PS1=step3-uts# ":             "step3-uts",
		"":                            "",
		"PS1=$ \x00":                  "",
		"OLD_PS1=step3-uts# \x00":     "",
		"PS1=step3-uts# and more\x00": "",
		"PS1=mystep3-uts# \x00":       "",
	} {
		assert.Equal(t, want, startedIn([]byte(environ)), "%q", environ)
	}
}
