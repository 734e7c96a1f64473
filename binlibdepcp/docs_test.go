//go:build linux

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/steptest"
	"nsteps/workshop/page"
	"nsteps/workshop/session"
)

// The page on this command tells the truth.
func TestDocs(t *testing.T) {
	steptest.NeedsHost(t)
	release, _ := os.ReadFile("/etc/os-release")
	if !strings.Contains(string(release), "\nVERSION_ID=\"12\"") ||
		!strings.Contains(string(release), "\nID=debian") ||
		runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: the page shows the paths and versions of Debian 12 on amd64, " +
			"this is another system")
	}
	text, err := os.ReadFile("../docs/binlibdepcp.md")
	require.NoError(t, err)
	c, err := page.Parse("docs/binlibdepcp.md", text)
	require.NoError(t, err)
	s, err := session.Start(t.Context(), filepath.Dir(steptest.Bin("binlibdepcp")), false)
	require.NoError(t, err)
	defer s.Close()
	assert.NoError(t, s.Check(c))
}
