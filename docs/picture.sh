#!/bin/sh
# Draws docs/run.svg: commands in step 6, and the same ones on the host, with what they
# print now. Run it as root after make build.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/bin:$PATH:/usr/sbin:/sbin

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
binlibdepcp -q bash ps hostname ip ls "$tmp/jail"

# typed shows its first argument as typed behind the prompt, and executes its last.
cat >"$tmp/typed" <<'END'
typed() {
	printf '\033[%s;1m%s\033[0m \033[1m%s\033[0m\n' "$colour" "$prompt" "$1"
	eval "${2-$1}"
}
END
cat >"$tmp/inside" <<'END'
colour=33 prompt=step6-chroot#
typed 'echo $$'
typed 'ps -e -o pid,comm'
typed 'hostname'
typed 'ip -brief address'
typed 'ls /'
END
cat >"$tmp/host" <<'END'
. ./typed
colour=32 prompt=host#
stty columns 44
hostname laptop
echo '# terminal 2'
typed 'step6-chroot -pmnu box -c jail bash' \
	'step6-chroot -pmnu box -c jail bash -c "$(cat typed inside)"'
echo
echo '# terminal 1'
typed 'ps -e | wc -l'
typed 'hostname'
typed 'ip -brief address | wc -l'
typed 'ls / | wc -l'
END
# Into a file, not a pipe: a failure of the recording must not be drawn.
(cd "$tmp" && unshare --uts script -qec 'bash -e host' /dev/null </dev/null >recording)
go run ./internal/picture 'step 6, and the host' <"$tmp/recording" >"$tmp/run.svg"
cat "$tmp/run.svg" >docs/run.svg
