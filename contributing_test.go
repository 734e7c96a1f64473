package nsteps_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// CONTRIBUTING.md gives a reason for each module that go.mod requires directly, and for
// no other module.
func TestModules(t *testing.T) {
	page, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	var required, listed []string
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	for _, m := range direct.FindAllStringSubmatch(string(mod), -1) {
		required = append(required, m[1])
	}
	_, section, found := strings.Cut(string(page), "\n## Dependencies\n")
	require.True(t, found)
	row := regexp.MustCompile("(?m)^\\| `(\\S+)` \\| [^|]+ \\|$")
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	assert.NotEmpty(t, required)
	assert.ElementsMatch(t, required, listed)
}

// Its map names each directory that has a package or a page.
func TestMap(t *testing.T) {
	page, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	for _, parent := range []string{".", "internal"} {
		entries, err := os.ReadDir(parent)
		require.NoError(t, err)
		for _, e := range entries {
			name := strings.TrimPrefix(parent+"/"+e.Name(), "./")
			switch {
			case !e.IsDir(), strings.HasPrefix(e.Name(), "."), name == "internal",
				strings.HasPrefix(name, "step"), // a row for all of them
				name == "bin", name == "jail", name == "cover":
			default:
				assert.Contains(t, string(page), "| `"+name+"`", "the map")
			}
		}
	}
}
