// Jailed is the static program that the tests put into a jail. It prints what it sees,
// or exits with the status that its argument says.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) > 1 {
		status, err := strconv.Atoi(os.Args[1])
		if err != nil {
			fmt.Println("argument", os.Args[1])
		}
		os.Exit(status)
	}
	list := func(dir string, wanted func(name string) bool) string {
		var names []string
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if wanted(e.Name()) {
				names = append(names, e.Name())
			}
		}
		return strings.Join(names, " ")
	}
	wd, _ := os.Getwd()
	host, _ := os.Hostname()
	fmt.Println("pid", os.Getpid())
	fmt.Println("directory", wd)
	fmt.Println("hostname", host)
	fmt.Println("root", list("/", func(string) bool { return true }))
	fmt.Println("processes", list("/proc", func(name string) bool {
		return strings.Trim(name, "0123456789") == ""
	}))
}
