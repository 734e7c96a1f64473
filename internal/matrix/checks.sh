#!/bin/bash
# The start of a guest's /checks: what runs a check, and prints lines that parse() reads.
export NSTEPS_TEST_BIN=/opt/nsteps NSTEPS_GUEST=1
echo # systemd leaves the cursor in the middle of a line
echo "@@kernel $(uname -r) $(uname -m)"

check() { # USER NAME DIRECTORY EXPRESSION
	echo "@@begin $1 $2"
	cd "/src/$3" || return
	user=() home=/root start=$SECONDS
	[ "$1" = root ] || home=/home/$1 user=(setpriv "--reuid=$1" "--regid=$1" --clear-groups)
	HOME=$home "${user[@]}" timeout -k 5 600 ./check.test -test.v -test.run "$4"
	echo "@@end $1 $2 $? $((SECONDS - start))"
}

