#!/bin/sh
# Draws docs/run.svg from what workshop play prints now. Run it after make build.
set -eu
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Into a file, not a pipe: without a reader, play would end in the middle.
script -qec 'bin/workshop play --auto --section inside 2' /dev/null </dev/null >"$tmp/recording"
awk 'NR > 1 && /But only the list/ { exit } NR > 1' "$tmp/recording" |
	go run ./internal/picture 'workshop play --section inside 2' >"$tmp/run.svg"
cat "$tmp/run.svg" >docs/run.svg
