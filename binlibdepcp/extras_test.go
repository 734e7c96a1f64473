//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAccounts(t *testing.T) {
	const passwd = "# comment\n+::::::\nroot:hash:0:0:root:/root:/bin/sh\n" +
		"toor:x:0:0::/:/bin/sh\n" +
		"me:x:1000:100:Me,,,:/home/me:/bin/zsh\nyou:x:1001:1001::/:/bin/sh\n" +
		"short:x:1002\n" +
		"nobody:*:99:98::/:/sbin/nologin\n"
	const group = "root:x:0:me\nusers:hash:100:me,you\nnobody:x:98:\n"
	for _, test := range []struct {
		what, passwd, group   string
		caller                user
		wantPasswd, wantGroup string
	}{
		{
			"as they stand there, without passwords and members", passwd, group,
			user{name: "ignored", uid: 1000, gid: 1, home: "/"},
			"root:x:0:0:root:/root:/bin/sh\nme:x:1000:100:Me,,,:/home/me:/bin/zsh\n" +
				"nobody:x:99:98::/:/sbin/nologin\n",
			"root:x:0:\nusers:x:100:\nnobody:x:98:\n",
		},
		{
			"root is the caller", passwd, group,
			user{name: "user0"},
			"root:x:0:0:root:/root:/bin/sh\nnobody:x:99:98::/:/sbin/nologin\n",
			"root:x:0:\nnobody:x:98:\n",
		},
		{
			"none is there", "", "",
			user{name: "me", uid: 7, gid: 8, home: "/h"},
			"root:x:0:0::/root:/bin/sh\nme:x:7:8::/h:/bin/sh\n" +
				"nobody:x:65534:65534::/nonexistent:/bin/sh\n",
			"root:x:0:\nme:x:8:\nnobody:x:65534:\n",
		},
		{
			"the caller has no name", passwd, group,
			user{uid: 5},
			"root:x:0:0:root:/root:/bin/sh\nnobody:x:99:98::/:/sbin/nologin\n",
			"root:x:0:\nnobody:x:98:\n",
		},
	} {
		gotPasswd, gotGroup := accounts(test.passwd, test.group, test.caller)
		assert.Equal(t, test.wantPasswd, gotPasswd, test.what)
		assert.Equal(t, test.wantGroup, gotGroup, test.what)
	}
}

func TestAddAccounts(t *testing.T) {
	for _, test := range []struct{ old, more, want string }{
		{"", "root:x:0:\n", "root:x:0:\n"},
		{"root:mine\n", "root:x:0:\nme:x:1:\n", "root:mine\nme:x:1:\n"},
		{"groot:mine", "root:x:0:\n", "groot:mine\nroot:x:0:\n"},
		{"a:\nroot:mine\n", "root:x:0:\n", "a:\nroot:mine\n"},
	} {
		assert.Equal(t, test.want, addAccounts(test.old, test.more))
	}
}

func TestLocaleNames(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want []string
	}{
		{nil, nil},
		{map[string]string{"LANG": "C.UTF-8", "LC_ALL": "POSIX", "LC_TIME": "C"}, nil},
		{
			map[string]string{"LANG": "de_DE.UTF-8", "LC_TIME": "nl_NL"},
			[]string{"nl_NL", "de_DE.UTF-8"},
		},
		{map[string]string{
			"LANG": "../../etc/shadow", "LC_ALL": "/etc",
			"LC_TIME": "..",
		}, nil},
	} {
		assert.Equal(t, test.want,
			localeNames(func(name string) string { return test.env[name] }))
	}
	assert.Equal(t, []string{"de_DE.UTF-8@euro", "de_DE.utf8@euro", "de_DE@euro"},
		localeSpellings("de_DE.UTF-8@euro"))
	assert.Equal(t, []string{"de_DE@euro"}, localeSpellings("de_DE@euro"))
	for name, want := range map[string]bool{
		"de_DE.UTF-8": false, "de_DE.utf8@x": false,
		"de_DE": true, "de_DE@euro": true, "ja_JP.eucJP": true,
	} {
		assert.Equal(t, want, needsCharset([]string{name}), name)
	}
}
