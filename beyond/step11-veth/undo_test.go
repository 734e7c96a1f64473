//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"nsteps/docs"
	"nsteps/internal/steptest"
	"nsteps/workshop/page"
)

// A reader who closes terminal 1 in the middle of the chapter leaves nothing on the host.
func TestUndo(t *testing.T) {
	steptest.NeedsHost(t)
	if out, err := exec.Command("nft", "list", "tables").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: needs nft and a kernel with it: %s", out)
	}
	text, err := docs.FS.ReadFile("11-veth.md")
	require.NoError(t, err)
	chapter, err := page.Parse("docs/11-veth.md", text)
	require.NoError(t, err)
	terminal := steptest.OpenShell(t)
	before := forwarding(t)
	for _, step := range chapter.Steps() {
		if step.Opens != "router#" && step.Prompt != "router#" {
			continue
		}
		typed := strings.Join(step.Lines, "\n")
		if page.Closes(typed) || strings.HasPrefix(typed, "nsenter") {
			continue // these change nothing
		}
		terminal.Type(typed + "\n")
		terminal.Expect("router# $")
	}
	steptest.WaitFor(t, "the router", func() bool {
		return forwarding(t) == "1" && translates(t) && len(cables(t)) == 1
	})

	// A read of the terminal has to return before it can be closed.
	terminal.Type("while echo working; do sleep 0.1; done\n")
	terminal.Expect("\nworking\n")
	terminal.HangUp()
	steptest.WaitFor(t, "the host to be as before", func() bool {
		// The shells are orphans of this process now. A zombie would still be a process.
		for pid := 1; pid > 0; {
			pid, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		return forwarding(t) == before && !translates(t) && len(cables(t)) == 0
	})
}

func forwarding(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// translates reports whether the chapter's table is there.
func translates(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("nft", "list", "tables").Output()
	require.NoError(t, err)
	return strings.Contains(string(out), "table ip nsteps\n")
}
