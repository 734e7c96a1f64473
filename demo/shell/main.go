// Sh is a shell of a few builtin commands, for the demo's jail.
//
// Usage:
//
//	sh [-c commands]
//
// Without -c it reads the commands from standard input. A command ends with its line or
// at a semicolon; its words are split at spaces, and there are no quotes.
//
// It exists because a jail holds only what was put there: a real shell doesn't start
// without its C library, a static Go program does. Once binlibdepcp fills the jail with
// a real shell and its libraries, this one can go.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

var errNotFound = errors.New("not found, only cat cd echo exit hostname ls ps pwd")

func main() {
	if len(os.Args) > 2 && os.Args[1] == "-c" {
		os.Exit(run(strings.NewReader(os.Args[2]), ""))
	}
	prompt := ""
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		prompt = os.Getenv("PS1")
	}
	os.Exit(run(os.Stdin, prompt))
}

// run executes commands up to exit or the end, and returns the status of the last one.
func run(commands io.Reader, prompt string) (status int) {
	lines := bufio.NewScanner(commands)
	for fmt.Print(prompt); lines.Scan(); fmt.Print(prompt) {
		for command := range strings.SplitSeq(lines.Text(), ";") {
			words := strings.Fields(command)
			if len(words) == 0 {
				continue
			}
			if words[0] == "exit" {
				if len(words) > 1 {
					status, _ = strconv.Atoi(words[1])
				}
				return status
			}
			status = 0
			if err := builtin(words[0], words[1:]); err != nil {
				fmt.Fprintf(os.Stderr, "sh: %s: %v\n", words[0], err)
				status = 1
				if err == errNotFound {
					status = 127
				}
			}
		}
	}
	return status
}

func builtin(name string, args []string) error {
	switch name {
	case "cat":
		for _, file := range args {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			os.Stdout.Write(text)
		}
	case "cd":
		return os.Chdir(append(args, "/")[0])
	case "echo":
		fmt.Println(strings.Join(args, " "))
	case "hostname":
		hostname, err := os.Hostname()
		fmt.Println(hostname)
		return err
	case "ls":
		entries, err := os.ReadDir(append(args, ".")[0])
		for _, entry := range entries {
			fmt.Println(entry.Name())
		}
		return err
	case "ps":
		return ps()
	case "pwd":
		dir, err := os.Getwd()
		fmt.Println(dir)
		return err
	default:
		return errNotFound
	}
	return nil
}

// ps lists the processes as the real one does: they are the numbers in /proc.
func ps() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	fmt.Println("    PID CMD")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		cmd, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		fmt.Printf("%7d %s\n", pid, strings.ReplaceAll(string(cmd), "\x00", " "))
	}
	return nil
}
