#!/bin/sh
# Runs a command in another userland, as root of this machine: userland.sh TREE COMMAND...
# It is the first process of new PID and MNT namespaces, and all mounts are private.
set -eu
tree=$1
shift
mount --bind "$tree" "$tree"
cd "$tree"
mkdir -p oldroot src "./$GOROOT" "./$GOMODCACHE" "./$GOCACHE"
for dir in "$GOROOT" "$GOMODCACHE" "$GOCACHE"; do mount --bind "$dir" "./$dir"; done
mount --bind "$SOURCES" src
mount -t proc -o nosuid,nodev,noexec proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 run run
pivot_root . oldroot
umount -l oldroot
cd /src
export PATH="$GOROOT/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export HOME=/root GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-buildvcs=false LC_ALL=C.UTF-8
exec "$@"
