#!/bin/bash
# PID 1 of a guest. It makes a machine of the initramfs, runs /checks and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=linux LC_ALL=C.UTF-8

# pivot_root(2) refuses the initial rootfs, so the guest moves to a tmpfs.
if [ ! -e /moved ]; then
	read -ra modules </modules/list
	for module in "${modules[@]}"; do insmod /modules/"$module".ko*; done
	mkdir -p /new
	mount -t tmpfs -o mode=755 root /new
	for entry in /*; do
		case $entry in /new | /proc | /sys | /dev) ;; *) cp -a "$entry" /new/ ;; esac
	done
	mkdir -p /new/proc /new/sys /new/dev
	: >/new/moved
	exec switch_root /new /init
fi

# The machine of the tests. systemd makes its own.
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid dev /dev
mkdir -p /dev/pts /dev/shm /tmp /run
mount -t devpts -o gid=0,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared / # as systemd does
ln -sf /proc/self/fd /dev/fd
chown -R tester: /home/tester
hostname guest
ip link set lo up

bash /checks </dev/null 2>&1
echo "@@done"
echo o >/proc/sysrq-trigger
sleep 60
