//go:build exercise && linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"nsteps/internal/steptest"
)

// Exercise OCI: -c lists Docker's 14 capabilities in config.json.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	docker := []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
		"CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP",
		"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
	dir := t.TempDir()
	list := func(options string) *specs.LinuxCapabilities {
		line := "bundle " + options + " -mr " + dir + " " + dir
		output := steptest.Try(t, line)
		text, err := os.ReadFile(filepath.Join(dir, "config.json"))
		var config specs.Spec
		if err != nil || json.Unmarshal(text, &config) != nil {
			steptest.Missing(t, "a file config.json", line, output)
		}
		return config.Process.Capabilities
	}
	if list("") != nil {
		steptest.Missing(t, "no capability without -c", "bundle", "")
	}
	has := list("-c")
	if has == nil {
		steptest.Missing(t, "capabilities in config.json", "bundle -c", "")
	}
	for name, set := range map[string][]string{
		"bounding": has.Bounding, "effective": has.Effective, "permitted": has.Permitted,
	} {
		set = slices.Sorted(slices.Values(set))
		if !slices.Equal(docker, set) {
			steptest.Missing(t, "Docker's 14 capabilities", "bundle -c: "+name, "")
		}
	}
}
