//go:build exercise && linux

package main

import (
	"os/exec"
	"strconv"
	"testing"

	"nsteps/internal/steptest"
)

// The exercise of join: with --wd the command starts in the target's working directory.
func TestExercise(t *testing.T) {
	steptest.Exercise(t)
	step := exec.Command("step2-mnt", "-pm", "sleep", "86402")
	step.Dir = "/usr"
	if err := step.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = step.Process.Kill(); _ = step.Wait() })
	pid := strconv.Itoa(steptest.WaitForProcess(t, "sleep 86402", "S").PID)
	for line, want := range map[string]string{
		"join --wd -t " + pid + " pwd": "/usr\n",
		"join -t " + pid + " pwd":      "/\n",
	} {
		if output := steptest.Try(t, line); output != want {
			steptest.Missing(t, "the output "+want, line, output)
		}
	}
}
