#!/bin/bash
# The end of /checks in a guest that systemd runs: systemd gives root and a plain user a
# cgroup of version 2 with controllers, and a step runs in it.

delegation() { # USER COMMAND...
	echo "@@begin $1 delegation"
	"${@:2}" /bin/sh -eu /delegated "$1" && echo "--- PASS: delegation"
	echo "@@end $1 delegation $? 0"
}

cat >/delegated <<'END'
group=/sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)
echo "$group: $(cat "$group/cgroup.controllers")"
grep -w memory "$group/cgroup.controllers" | grep -qw pids
as_root=
[ "$1" = root ] || as_root="unshare --user --map-root-user"
[ "$($as_root /opt/nsteps/step2-mnt -pm ps -e -o comm=)" = ps ]
END

delegation root systemd-run --scope --quiet --property=MemoryMax=512M
# The outer command is a login of the user, which starts the user's own systemd.
delegation tester systemd-run --pipe --wait --quiet --uid=tester --property=PAMName=login \
	systemd-run --user --scope --quiet --property=MemoryMax=512M
