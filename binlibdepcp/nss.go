//go:build linux

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxAccounts limits the size of passwd and group.
const maxAccounts = 16 << 20

// nameFiles adds the files that tell names of hosts, services and accounts: what the
// modules of the name service switch read for id(1), getent(1) and ssh(1).
func (e *extras) nameFiles() {
	for _, name := range []string{
		"nsswitch.conf", "host.conf", "gai.conf", "hosts",
		"resolv.conf", "services",
	} {
		e.add("/etc/" + name)
	}
	// Without them there are the usual names of root and nobody.
	passwd, _ := e.linker.ReadFile("/etc/passwd", maxAccounts)
	group, _ := e.linker.ReadFile("/etc/group", maxAccounts)
	passwdText, groupText := accounts(string(passwd), string(group), e.caller())
	e.texts = append(e.texts,
		&text{name: "/etc/passwd", content: passwdText, reason: "--with nss"},
		&text{name: "/etc/group", content: groupText, reason: "--with nss"})
}

// A user is an account as a line of passwd(5) has it.
type user struct {
	name     string
	uid, gid int
	home     string
}

// caller returns the account of the user who runs this program. In another system's tree
// only its user ID counts.
func (e *extras) caller() user {
	u := user{
		name: os.Getenv("USER"), uid: os.Getuid(), gid: os.Getgid(),
		home: os.Getenv("HOME"),
	}
	if !accountName.MatchString(u.name) || u.name == "root" {
		u.name = fmt.Sprint("user", u.uid)
	}
	if strings.ContainsAny(u.home, ":\n") || u.home == "" {
		u.home = "/"
	}
	if e.root != "" {
		u.name = ""
	}
	return u
}

// accountName matches the names that useradd(8) accepts.
var accountName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// accounts returns a passwd and a group with root, nobody, and the caller: as they stand
// in those of the system, but without passwords and members. An account that isn't there
// gets a line too, unless it is a caller without a name.
func accounts(passwd, group string, caller user) (newPasswd, newGroup string) {
	nobody := user{name: "nobody", uid: 65534, gid: 65534, home: "/nonexistent"}
	var users, groups []string
	for _, u := range []user{{name: "root", home: "/root"}, caller, nobody} {
		line := account(passwd, 7,
			func(f []string) bool { return f[2] == strconv.Itoa(u.uid) })
		if u == nobody {
			line = account(passwd, 7, func(f []string) bool { return f[0] == u.name })
		}
		if line == nil && u.name == "" {
			continue
		}
		if line == nil {
			line = []string{
				u.name, "x", strconv.Itoa(u.uid), strconv.Itoa(u.gid), "",
				u.home, "/bin/sh",
			}
		}
		gid := line[3]
		members := account(group, 4, func(f []string) bool { return f[2] == gid })
		if members == nil {
			members = []string{line[0], "x", gid, ""}
		}
		line[1], members[1], members[3] = "x", "x", ""
		users = append(users, strings.Join(line, ":"))
		groups = append(groups, strings.Join(members, ":"))
	}
	users, groups = slices.Compact(users), slices.Compact(groups)
	return strings.Join(users, "\n") + "\n", strings.Join(groups, "\n") + "\n"
}

// account returns the fields of the first line that has so many, and is wanted.
func account(text string, fields int, wanted func([]string) bool) []string {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) == fields && f[0] != "" && f[0][0] != '#' &&
			f[0][0] != '+' && wanted(f) {
			return f
		}
	}
	return nil
}

// addAccounts returns the lines of a jail's passwd or group, which may be someone's work,
// and those further lines whose names it doesn't have.
func addAccounts(old, more string) string {
	if old != "" && !strings.HasSuffix(old, "\n") {
		old += "\n"
	}
	for line := range strings.Lines(more) {
		name, _, _ := strings.Cut(line, ":")
		if !strings.HasPrefix(old, name+":") && !strings.Contains(old, "\n"+name+":") {
			old += line
		}
	}
	return old
}
