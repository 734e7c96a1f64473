#!/bin/sh
# Shows the six steps one after the other, host beside inside: make demo.
set -eu

main() {
	root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
	PATH=$root/bin:$PATH:/usr/sbin:/sbin # a shell finds sbin only as root
	LC_ALL=C # one order of files, one language
	export PATH LC_ALL
	unset COLUMNS
	check
	if [ "$(id -u)" != 0 ]; then
		become_root
	fi

	waits=false
	if [ -t 0 ] && [ -t 1 ]; then
		waits=true
	fi
	bold='' host='' step='' see='' plain=''
	if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
		bold=$(printf '\033[1m') host=$(printf '\033[32m') step=$(printf '\033[33m')
		see=$(printf '\033[36m') plain=$(printf '\033[0m')
	fi

	tmp='' queue=''
	trap cleanup EXIT
	for signal in HUP INT QUIT PIPE TERM; do
		# shellcheck disable=SC2064 # the name is meant to be put in now
		trap "quit $signal" "$signal"
	done
	# The subshell ignores signals: there is no moment when the directory is there and
	# its name not yet known here.
	tmp=$(trap '' HUP INT QUIT PIPE TERM; mktemp -d)
	cd "$tmp"

	echo "host\$ is a command on this machine, step\$ one inside, run by a step."
	echo "To type them yourself: sudo bin/step1-pid -p, and so on."
	pid
	mnt
	uts
	net
	ipc
	jail
	cleanup
	printf '\nThat was it, and nothing of it is left on the host but bin/. '
	echo "Try a step with -v: it says what it does."
}

pid() {
	heading "Step 1: a PID namespace"
	on_host 'ps -e --no-headers | wc -l'
	# shellcheck disable=SC2016 # the shell inside is the one to expand this
	in_step 'step1-pid -p sh -c '\''echo "inside, I am PID $$"'\'
	in_step 'step1-pid -p ps -e --no-headers | wc -l'
	see "The command is PID 1, yet ps still lists the host's processes (and its own):" \
		"it reads /proc, and that is the host's."
}

mnt() {
	heading "Step 2: a MNT namespace"
	on_host 'mount -t proc'
	in_step 'step2-mnt -pm ps -ef'
	in_step 'step2-mnt -pm mount -t proc'
	on_host 'mount -t proc'
	see "Inside, a new proc covers the host's, so ps shows nothing but the inside." \
		"The host's list of mounts has not changed."
}

uts() {
	heading "Step 3: a UTS namespace"
	on_host 'hostname'
	in_step 'step3-uts -u box hostname'
	on_host 'hostname'
	see "The hostname is another one inside, and the host keeps its own."
}

net() {
	heading "Step 4: a NET namespace"
	on_host 'ip -brief link'
	in_step 'step4-net -n ip -brief link'
	see "A new NET namespace has no link but lo, and that one is DOWN."
}

ipc() {
	heading "Step 5: an IPC namespace"
	prompt host 'ipcmk -Q'
	# As for mktemp above: from the start, the queue's number is known to cleanup.
	made=$(trap '' HUP INT QUIT PIPE TERM; ipcmk -Q)
	queue=${made##* }
	echo "$made"
	on_host 'ipcs -q'
	if $waits; then
		in_step 'step5-ipc -i no ipcs -q'
	else
		in_step 'echo "hello from inside" | step5-ipc -i no ipcs -q'
	fi
	see "With -i no the child is in the host's IPC namespace: it sees the host's" \
		"queues, and its message arrives at the parent."
	in_step 'step5-ipc -i yes ipcs -q'
	see "With -i yes it is in a new one, where neither the parent's queue exists" \
		"nor the host's."
	on_host "ipcrm -q $queue"
	queue=''
}

jail() {
	heading "Step 6: a chroot jail"
	on_host 'ls -m /'
	on_host 'binlibdepcp /bin/sh /bin/ls /bin/ps /bin/hostname jail'
	in_step "step6-chroot -c jail sh -c 'ls /'"
	in_step "step6-chroot -pmnu box -i yes -c jail sh -c 'ps -e; hostname; pwd'"
	see "The jail is / inside, and holds nothing but what binlibdepcp has put there:" \
		"programs, and the libraries that they need. With -pm it gets a /proc, for ps." \
		"All six steps together are a minimal container."
}

heading() {
	printf '\n'
	if $waits; then
		printf '[Enter goes on, Ctrl-C ends] '
		read -r _ || exit 0
		printf '\n'
	fi
	printf '%s== %s ==%s\n' "$bold" "$1" "$plain"
}

on_host() {
	prompt host "$1"
	eval "$1"
}

in_step() {
	prompt step "$1"
	eval "$1"
}

# prompt shows a command: prompt host|step command.
prompt() {
	case $1 in
	host) colour=$host ;;
	*) colour=$step ;;
	esac
	printf '\n%s%s$%s %s%s%s\n' "$colour" "$1" "$plain" "$bold" "$2" "$plain"
}

# see says, in the lines given, what there was to see.
see() {
	printf '\n%sSee: %s' "$see" "$1"
	shift
	for line; do
		printf '\n     %s' "$line"
	done
	printf '%s\n' "$plain"
}

# check names what is missing before anything is shown.
check() {
	missing=''
	need 'ps -e --no-headers' procps procps-ng
	need 'ip -brief link' iproute2 iproute
	need 'hostname' hostname hostname
	need 'ipcs -q' util-linux util-linux
	need 'ipcmk -V' util-linux util-linux
	need 'ipcrm -V' util-linux util-linux
	need 'mount -V' mount util-linux
	if [ "$(id -u)" != 0 ]; then
		need 'unshare -V' util-linux util-linux
	fi
	if [ -n "$missing" ]; then
		fail "a command that it shows is missing, or too simple a one:$missing"
	fi
	for program in step1-pid step2-mnt step3-uts step4-net step5-ipc step6-chroot binlibdepcp; do
		[ -x "$root/bin/$program" ] || fail "$root/bin/$program is missing: make build"
	done
}

# need tries a command: need command Debian-package Fedora-package.
need() {
	if ! $1 >/dev/null 2>&1; then
		missing="$missing
  ${1%% *}: Debian package $2, Fedora package $3"
	fi
}

# become_root starts again in a user namespace, as its root; or says what is in the way.
become_root() {
	if refusal=$(unshare --user --map-root-user --mount true 2>&1); then
		echo "Namespaces take root: this runs in a user namespace, where you are root;" \
			"sudo demo/demo.sh does without."
		exec unshare --user --map-root-user sh "$root/demo/demo.sh"
	fi
	mend=''
	blame kernel.apparmor_restrict_unprivileged_userns 1 0
	blame kernel.unprivileged_userns_clone 0 1
	blame user.max_user_namespaces 0 10000
	blame user.max_mnt_namespaces 0 10000
	fail "namespaces take root, and a user namespace is refused:
  $refusal${mend:-
  no sysctl forbids it, so perhaps an outer container does, by seccomp}
  or be root: sudo demo/demo.sh"
}

# blame adds how to change a sysctl that is in the way: blame name value wanted-value.
blame() {
	file=/proc/sys/$(echo "$1" | tr . /)
	if [ "$(cat "$file" 2>/dev/null)" = "$2" ]; then
		mend="$mend
  $1 is $2; to change it: sudo sysctl -w $1=$3"
	fi
}

fail() {
	printf 'demo: %s\n' "$1" >&2
	exit 1
}

cleanup() {
	if [ -n "$queue" ]; then
		ipcrm -q "$queue" 2>/dev/null || true
	fi
	cd /
	rm -rf "$tmp"
}

# quit ends the demo as the signal would have, but cleaned up.
quit() {
	trap '' HUP INT QUIT PIPE TERM
	trap - EXIT
	cleanup
	trap - "$1"
	kill -s "$1" $$
	exit 1 # bash ignores SIGQUIT
}

main "$@"
