//go:build linux

package advice

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The command line depends on who the person is, and on where the programs are.
func TestPerson(t *testing.T) {
	for _, test := range []struct {
		person       Person
		call, asRoot string
	}{
		{Person{Root: true}, "step1-pid -p sh", "step1-pid -p sh"},
		{
			Person{Root: true, Called: "bin/", Program: "/src/bin/"},
			"bin/step1-pid -p sh",
			"bin/step1-pid -p sh",
		},
		{
			Person{Called: "bin/", Program: "/src/bin/"},
			"bin/step1-pid -p sh",
			"sudo bin/step1-pid -p sh",
		},
		{Person{Called: "./"}, "./step1-pid -p sh", "sudo ./step1-pid -p sh"},
		{
			Person{Program: "/src/bin/"},
			"step1-pid -p sh",
			"sudo /src/bin/step1-pid -p sh",
		},
		{
			Person{Program: "/my src/"},
			"step1-pid -p sh",
			"sudo '/my src/step1-pid' -p sh",
		},
	} {
		assert.Equal(t, test.call, test.person.Call("step1-pid", "-p sh"))
		assert.Equal(t, test.asRoot, test.person.AsRoot("step1-pid", "-p sh"))
	}
	assert.Equal(t, "bin/workshop", Person{Called: "bin/"}.Call("workshop", ""))
	assert.Equal(t, "/src/bin/", directory("/src/bin/workshop"))
	assert.Empty(t, directory("workshop"))
}
