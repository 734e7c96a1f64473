//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// unit runs the checks in the guest when systemd has started everything, and powers off.
const unit = `[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Environment=HOME=/root TERM=linux LC_ALL=C.UTF-8
ExecStart=/bin/bash /checks
ExecStopPost=/bin/sh -c 'echo @@done; systemctl poweroff --force --force'
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/console
[Install]
WantedBy=multi-user.target
`

//go:embed delegation.sh
var delegationScript string

// systemdPackages returns the packages of the guest besides the essential ones.
func systemdPackages() []string {
	return append(toolPackages(), "systemd-sysv", "dbus", "dbus-user-session",
		"libpam-systemd", "passwd")
}

// runSystemd runs the checks in a guest that systemd has booted: / is shared, logind runs
// and all cgroups are of version 2.
func runSystemd(ctx context.Context) error {
	g := guest{kernel: "6.12", arch: "amd64", suite: "trixie"}
	tree, err := install(ctx, "systemd-"+g.suite, g.suite, systemdPackages())
	if err != nil {
		return err
	}
	k, err := g.fetchKernel(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nsteps-matrix")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := &payload{arch: g.arch, dir: filepath.Join(dir, "root"), tree: tree}
	if _, err := output(ctx, ".", "cp", "-a", tree, p.dir); err != nil {
		return err
	}
	if err := p.build(ctx, checks); err != nil {
		return err
	}
	if err := p.furnishSystemd(ctx); err != nil {
		return err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := archiveRoot(ctx, p.dir, initrd); err != nil {
		return err
	}
	g.kernel = "systemd"
	r, err := g.boot(ctx, k, initrd, "4G")
	if err != nil {
		return err
	}
	all := append(checks, check{name: "delegation"})
	writeTable(os.Stdout, []*report{r}, all)
	return judge(os.Stdout, []*report{r}, all)
}

// furnishSystemd adds the unit, a user, and an init that moves to a tmpfs first.
func (p *payload) furnishSystemd(ctx context.Context) error {
	moved, _, _ := strings.Cut(initScript, "# The machine")
	if err := p.write(map[string]string{
		"init":                              moved + "exec /sbin/init\n",
		"etc/systemd/system/checks.service": unit,
		// The console is for the checks.
		"etc/systemd/system.conf.d/quiet.conf": "[Manager]\nShowStatus=no\n",
		"usr/local/bin/go":                     noGo,
	}); err != nil {
		return err
	}
	file, err := os.OpenFile(p.dir+"/checks", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(delegationScript)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	for _, command := range []string{
		"useradd --uid 1000 --create-home --shell /bin/bash tester",
		"systemctl enable checks.service",
		"systemctl mask getty.target serial-getty@ttyS0.service apt-daily.timer",
	} {
		args := append([]string{p.dir}, strings.Fields(command)...)
		if _, err := output(ctx, ".", "chroot", args...); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	return nil
}
