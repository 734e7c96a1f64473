#!/bin/sh
# Makes a root file system: rootfs.sh BINLIBDEPCP DIR TOOL...
# It has busybox if $BUSYBOX names it, otherwise the tools, with their libraries.
set -eu
binlibdepcp=$1 dir=$2
shift 2

# An existing tree may have a link bin -> /bin, and then this would write to the machine's.
if [ -n "$(ls -A "$dir" 2>/dev/null)" ]; then
	echo "rootfs: $dir isn't empty; choose another directory: make rootfs DIR=other" >&2
	exit 1
fi

if [ -n "${BUSYBOX:-}" ]; then
	"$binlibdepcp" -q "$BUSYBOX" "$dir"
	for applet in $("$BUSYBOX" --list); do
		mkdir -p "$dir/bin"
		[ -e "$dir/bin/$applet" ] || ln -s "$BUSYBOX" "$dir/bin/$applet"
	done
else
	"$binlibdepcp" -q --with terminfo "$@" "$dir"
fi

cd "$dir"
for name in dev proc sys run tmp root etc; do
	mkdir -p $name
done
chmod 1777 tmp
cat >etc/passwd <<-END
	root:x:0:0:root:/root:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/false
END
cat >etc/group <<-END
	root:x:0:
	tty:x:5:
	nogroup:x:65534:
END
echo '127.0.0.1 localhost' >etc/hosts
