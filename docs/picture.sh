#!/bin/sh
# Draws docs/run.svg from what the steps print now. Run it as root, after make build.
set -eu
cd "$(dirname "$0")/.."

# The picture shows no machine's name: this one gets another, in a UTS namespace.
if [ "${1-}" != named ]; then
	exec unshare --uts sh -c 'hostname laptop && exec sh docs/picture.sh named'
fi
PATH=$PWD/bin:$PATH
LC_ALL=C
export PATH LC_ALL

on_host() {
	printf 'host$ %s\n' "$1"
	eval "$1"
}

in_step() {
	printf 'step$ %s\n' "$1"
	eval "$1"
}

see() {
	printf 'See: %s\n\n' "$1"
}

run() {
	on_host 'ps -e --no-headers | wc -l'
	# shellcheck disable=SC2016 # the shell inside is the one to expand this
	in_step 'step1-pid -vp sh -c '\''echo "I am PID $$"; ps -e --no-headers | wc -l'\'
	see "it is PID 1, yet ps lists the host's processes: it reads the host's /proc"
	in_step 'step2-mnt -pm ps -ef'
	see "with a MNT namespace it has a /proc of its own"
	on_host 'hostname'
	in_step 'step3-uts -u box hostname'
	on_host 'hostname'
	see "its hostname is its own, too"
	on_host 'ip -brief link'
	in_step 'step4-net -n ip -brief link'
	see "and it has no network but lo, which is down"
}

# Nor any machine's hardware addresses.
mask() {
	sed -E '/^lo /!s/ (..:..:..):..:..:.. / \1:00:00:01 /'
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
run >"$tmp/text" 2>&1
mask <"$tmp/text" | go run ./docs/picture "nsteps: host beside inside" >"$tmp/run.svg"
cat "$tmp/run.svg" >docs/run.svg
