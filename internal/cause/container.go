//go:build linux

package cause

import (
	"path"
	"strings"

	"nsteps/internal/cmdline"
)

// container returns the kind of container that this is, by the files and variables that
// each leaves in it: docker, podman, lxc, systemd-nspawn or kubernetes. A service of
// systemd, which may restrict its processes like a container, is of the kind "service",
// and unit is its name. For no kind that is known, it returns "".
func container(m machine) (kind, unit string) {
	said := m.env("container") // of the container's first process only
	for _, file := range []string{
		"/run/systemd/container",
		"/run/host/container-manager",
	} {
		if text := words(m.read(file)); said == "" && text != "" {
			said = text
		}
	}
	switch {
	case m.exists("/run/.containerenv"), said == "podman", said == "oci":
		return "podman", ""
	case m.env("KUBERNETES_SERVICE_HOST") != "":
		return "kubernetes", ""
	case m.exists("/.dockerenv"), said == "docker":
		return "docker", ""
	case said == "lxc", said == "systemd-nspawn":
		return said, ""
	}
	if unit = service(m.read("/proc/self/cgroup")); unit != "" {
		return "service", unit
	}
	return "", ""
}

// service returns the name of the systemd service that a process belongs to, from its
// /proc/PID/cgroup. Those of a user's session start no container, and have no name here.
func service(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 || fields[1] != "" && fields[1] != "name=systemd" {
			continue
		}
		unit := path.Base(fields[2])
		if strings.HasSuffix(unit, ".service") && !strings.Contains(fields[2],
			"/user.slice/") {
			return unit
		}
	}
	return ""
}

// A need is something that a container, or a service, may lack.
type need struct {
	id, text       string
	docker, podman string // the option of docker run, podman run
	unit           string // the settings of a systemd unit (see systemd.exec(5))
	look           string // the command that shows more, in no container that is known
}

var (
	privilege = need{
		"capability", "root lacks CAP_SYS_ADMIN here",
		"--privileged", "--privileged", "CapabilityBoundingSet=", "setpriv --dump",
	}
	noFilter = need{
		"seccomp", "a seccomp filter forbids it",
		"--security-opt seccomp=unconfined", "--security-opt seccomp=unconfined",
		"RestrictNamespaces= and SystemCallFilter=", "grep Seccomp /proc/self/status",
	}
	noModule = need{
		"lsm", "a security module such as AppArmor or SELinux forbids it",
		"--security-opt apparmor=unconfined", "--security-opt label=disable",
		"AppArmorProfile= and SELinuxContext=", "SUDOdmesg | grep -iE 'apparmor|avc'",
	}
	wholeProc = need{
		"masked-proc",
		"mounts hide parts of /proc, and a new proc would show them",
		"--security-opt systempaths=unconfined", "--security-opt unmask=ALL",
		"ProtectKernelTunables= and ProtectProc=", "findmnt -R /proc",
	}
)

// meet returns the cause that is a need, with the command that meets it: how to start the
// container that this is.
func (n need) meet(f *Facts, _ string) Cause {
	c := Cause{ID: n.id, Text: n.text}
	if n.id == wholeProc.id && f.Masked != nil {
		few := strings.Join(f.Masked[:min(3, len(f.Masked))], ", ")
		c.Text = "mounts hide parts of /proc (" + cmdline.Printable(few) +
			"), and a new proc would show them"
	}
	switch f.Container {
	case "docker":
		c.Text += "; start the container with"
		c.Command = "docker run " + n.docker
	case "podman":
		c.Text += "; start the container with"
		c.Command = "podman run " + n.podman
	case "lxc":
		c.Text += "; allow it on the host of the container"
		c.Command = "lxc config set NAME security.nesting=true"
	case "systemd-nspawn":
		c.Text += "; start the container with"
		c.Command = "systemd-nspawn --capability=all --system-call-filter=@mount"
	case "kubernetes":
		c.Text += "; start a pod with more privileges"
		c.Command = "kubectl debug -it POD --image=IMAGE --profile=sysadmin"
	case "service":
		c.Text += "; the unit may restrict it with " + n.unit
		c.Command = f.Sudo() + "systemctl edit " + cmdline.Quote(f.Unit)
	default:
		c.Text += "; this is not a known kind of container; to see more"
		c.Command = strings.Replace(n.look, "SUDO", f.Sudo(), 1)
		if n.id == privilege.id && f.couldMakeUser() {
			c.Text = n.text + "; root of a user namespace may have it"
			c.Command = "unshare --user --map-root-user " + cmdline.QuoteAll(f.Args)
		}
	}
	return c
}
