package nsteps

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The list is what the directories hold: programs, sources, chapters.
func TestSteps(t *testing.T) {
	for _, pattern := range []string{"step[0-9]*", "beyond/step[0-9]*"} {
		dirs, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, dir := range dirs {
			s, err := Find(filepath.Base(dir))
			require.NoError(t, err)
			assert.Equal(t, dir, s.Dir)
		}
	}
	before := map[string]bool{}
	for _, s := range Steps {
		if s.Number > 0 {
			assert.Equal(t, fmt.Sprintf("step%d-%s", s.Number, s.Short), s.Name)
			assert.Equal(t, fmt.Sprintf("%d-%s", s.Number, s.Short), s.Chapter)
		}
		assert.Equal(t, s.Name, filepath.Base(s.Dir))
		assert.FileExists(t, "docs/"+s.Chapter+".md")
		assert.True(t, s.Base == "" || before[s.Base], "%s comes after its base", s.Name)
		before[s.Name] = true
		want, err := os.ReadFile(s.Source())
		require.NoError(t, err)
		got, err := fs.ReadFile(Sources, s.Source())
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))
	}
}

func TestFind(t *testing.T) {
	for word, want := range map[string]string{
		"4": "step4-net", "net": "step4-net", "step4-net": "step4-net", "1": "step1-pid",
		"chroot": "step6-chroot",
	} {
		s, err := Find(word)
		assert.NoError(t, err)
		assert.Equal(t, want, s.Name, word)
	}
	for _, word := range []string{
		"", "0", "77", "04", "step4", "step4-", "4-net", "net/", "PID", "1 ", "-",
		"step1-pid/",
	} {
		_, err := Find(word)
		assert.ErrorContains(t, err,
			"there are 1 (pid), 2 (mnt), 3 (uts), 4 (net), 5 (ipc), 6 (chroot), 7 (user)", word)
	}
}

func TestIs(t *testing.T) {
	Steps = append(Steps, Step{Short: "seventeen", Name: "step17-seventeen"})
	defer func() { Steps = Steps[:len(Steps)-1] }()
	for comm, want := range map[string]bool{
		"step1-pid": true, "step6-chroot": true, "step17-seventee": true, "": false,
		"mystep1-pid": false, "step1-pid2": false, "step1": false, "step7-user": true,
	} {
		assert.Equal(t, want, Is(comm), comm)
	}
}
