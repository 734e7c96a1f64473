#!/bin/bash
# The end of /checks in a guest that systemd runs: systemd gives root and a plain user a
# cgroup of version 2 with controllers, and a step runs in it.

delegation() { # USER COMMAND...
	echo "@@begin $1 delegation"
	"${@:2}" /bin/sh -eu /delegated "$1" && echo "--- PASS: delegation"
	echo "@@end $1 delegation $? 0"
}

cat >/delegated <<'END'
cd "$(mktemp -d)"
group=/sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)
echo "$group: $(cat "$group/cgroup.controllers")"
grep -w memory "$group/cgroup.controllers" | grep -qw pids
as_root=
[ "$1" = root ] || as_root="unshare --user --map-root-user"
[ "$($as_root /opt/nsteps/step2-mnt -pm ps -e -o comm=)" = ps ]
step="$as_root /opt/nsteps/step12-cgroup"
[ "$($step -g pids.max=20 -g memory.max=64M cut -d : -f 3 /proc/self/cgroup)" = / ]
status=0
$step -g memory.max=64M tail /dev/zero 2>killed || status=$?
cat killed
[ $status = 137 ]
grep -q 'out of memory' killed
# container makes a USER namespace itself, unless root of the machine starts it.
/opt/nsteps/binlibdepcp -q cut img
[ "$(/opt/nsteps/container -g pids.max=20 -r img cut -d : -f 3 /proc/self/cgroup)" = / ]
# Where systemd mounts with nsdelegate, root inside can't raise its own limit.
raise='mount -t cgroup2 none /mnt && echo 99 >/mnt/pids.max'
$step -g pids.max=20 unshare -m sh -c "$raise; cat /mnt/pids.max >limit"
findmnt -n -o OPTIONS /sys/fs/cgroup
if findmnt -n -o OPTIONS /sys/fs/cgroup | grep -q nsdelegate; then
	[ "$(cat limit)" = 20 ]
fi
[ -z "$(find /sys/fs/cgroup -name 'nsteps-*')" ]
END

delegation root systemd-run --scope --quiet --property=MemoryMax=512M
# The outer command is a login of the user, which starts the user's own systemd.
delegation tester systemd-run --pipe --wait --quiet --uid=tester --property=PAMName=login \
	systemd-run --user --scope --quiet --property=MemoryMax=512M
