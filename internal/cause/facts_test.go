//go:build linux

package cause

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nsteps/internal/linux"
)

// fake is a machine with some files, and with the variables of an environment.
func fake(files, variables map[string]string) machine {
	return machine{
		read:   func(file string) string { return files[file] },
		link:   func(file string) string { return files[file] },
		exists: func(file string) bool { _, ok := files[file]; return ok },
		env:    func(name string) string { return variables[name] },

		inChroot: func() bool { return false },
	}
}

func TestContainer(t *testing.T) {
	const user = "1:name=systemd:/user.slice/user-1000.slice/user@1000.service/" +
		"app.slice/x.service\n"
	for _, test := range []struct {
		files, env map[string]string
		kind, unit string
	}{
		{nil, nil, "", ""},
		{map[string]string{"/.dockerenv": ""}, nil, "docker", ""},
		{
			map[string]string{"/run/.containerenv": ""},
			map[string]string{"container": "oci"},
			"podman", "",
		},
		{nil, map[string]string{"container": "podman"}, "podman", ""},
		{nil, map[string]string{"container": "lxc"}, "lxc", ""},
		{map[string]string{"/run/systemd/container": "lxc\n"}, nil, "lxc", ""},
		{
			map[string]string{"/run/host/container-manager": "systemd-nspawn\n"},
			nil,
			"systemd-nspawn", "",
		},
		{
			map[string]string{"/.dockerenv": ""},
			map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
			"kubernetes", "",
		},
		{
			map[string]string{"/proc/self/cgroup": "0::/system.slice/cron.service\n"},
			nil,
			"service", "cron.service",
		},
		{
			map[string]string{"/proc/self/cgroup": "4:pids:/x.service\n" +
				"1:name=systemd:/system.slice/a.service\n"},
			nil, "service", "a.service",
		},
		{map[string]string{
			"/proc/self/cgroup": "0::/user.slice/user-0.slice/session-3.scope\n" +
				user,
		}, nil, "", ""},
		{map[string]string{"/proc/self/cgroup": "0::/\nshort\n"}, nil, "", ""},
	} {
		kind, unit := container(fake(test.files, test.env))
		assert.Equal(t, test.kind, kind, "%v", test)
		assert.Equal(t, test.unit, unit, "%v", test)
	}
}

func TestFacts(t *testing.T) {
	f := gather([]string{"x"}, "", fake(map[string]string{
		"/proc/self/ns/user": "user:[4026532208]",
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
		"/proc/sys/kernel/unprivileged_userns_clone":             "0\n",
		"/proc/sys/user/max_net_namespaces":                      "0\n",
	}, nil))
	assert.True(t, f.UserNS && f.AppArmor && f.NoClone)
	assert.Equal(t, "0", f.Limits["net"])
	assert.True(t, f.Unmapped, "an empty map")
	const maps = "0 1000 1\n1 100000 65536\n"
	f = gather([]string{"x"}, "", fake(map[string]string{
		"/proc/self/ns/user": "user:[4026532208]",
		"/proc/self/uid_map": maps, "/proc/self/gid_map": maps,
	}, nil))
	assert.False(t, f.Unmapped)
	assert.True(t, isMapped(maps, 65534))
	assert.False(t, isMapped("0 1000 1\n", 65534))
	assert.False(t, f.OwnFilter)
	assert.Equal(t, "", f.Below)
	assert.Equal(t, "container", below("container# "))
	assert.Equal(t, "step14-seccomp", below("step14-seccomp$ "))
	assert.Equal(t, "", below("host# "))
	f = gather([]string{"x"}, "",
		fake(map[string]string{"/proc/self/ns/user": linux.InitialUser}, nil))
	assert.False(t, f.UserNS || f.AppArmor || f.NoClone)
	assert.False(t, gather([]string{"x"}, "", fake(nil, nil)).UserNS,
		"nothing is known without /proc")

	for version, want := range map[string]string{
		"Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version " +
			"5.4.0) #1237": "Ubuntu",
		"Linux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host) (gcc) #1 " +
			"SMP": "",
		"Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)": "",
		"": "",
	} {
		assert.Equal(t, want, wsl1(version, "Ubuntu"), version)
	}
	assert.Equal(t, "WSL", wsl1("Linux version 4.4.0-19041-Microsoft (x)", ""))

	points := masked(`22 27 0:21 / /proc rw - proc proc rw
27 1 8:1 / / rw - ext4 /dev/sda rw
40 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd rw
41 22 0:21 /sys /proc/sys ro - proc proc rw
42 22 0:31 / /proc/a\040b rw - tmpfs tmpfs rw
`)
	assert.Equal(t, []string{"/proc/sys", "/proc/a b"}, points)
	assert.Empty(t, masked("22 27 0:21 / /proc rw - proc proc rw\nshort\n"))

	files := map[string]string{
		"/sys/fs/cgroup/pids/a/pids.max":     "30\n",
		"/sys/fs/cgroup/pids/a/pids.current": "20\n",
		"/sys/fs/cgroup/b/pids.max":          "30\n",
		"/sys/fs/cgroup/b/pids.current":      "5\n",
		"/sys/fs/cgroup/c/pids.max":          "max\n",
		"/sys/fs/cgroup/c/pids.current":      "5\n",
	}
	read := fake(files, nil).read
	assert.Equal(t, "/sys/fs/cgroup/pids/a/pids.max", pids("9:cpu,pids:/a\n0::/\n", read))
	assert.Equal(t, "", pids("0::/b\n", read))
	assert.Equal(t, "", pids("3:memory:/a\n0::/c\n", read))
}

// The facts of the kernel come from system calls: a jail may have no /proc.
func TestSystemCalls(t *testing.T) {
	f := Gather([]string{"x"}, "", Root{})
	f2 := Gather([]string{"x"}, "", KeepRoot())
	assert.Equal(t, f, f2)
	assert.Equal(t, !linux.InInitialUser(), f.UserNS)
	assert.NotZero(t, f.OpenFiles)
	status, err := exec.Command("grep", "-c", "CapEff:.*[2367abef].....$",
		"/proc/self/status").Output()
	if err == nil {
		assert.Equal(t, string(status) == "1\n", f.SysAdmin)
	}
	assert.Equal(t, "", emulator())
	assert.Equal(t, "", Root{}.Read("/nonesuch"))
	text, err := os.ReadFile("facts.go")
	require.NoError(t, err)
	assert.Equal(t, string(text), Root{}.Read("facts.go"))
}
