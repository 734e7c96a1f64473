#!/bin/sh
# Draws the strips of the chapters before chapter 6, map-1.svg to map-5.svg, from that of
# chapter 6: there, all six switches are on.
#
# Usage: docs/strips.sh [directory]
set -eu
to=${1-}
cd "$(dirname "$0")/picture"

for n in 1 2 3 4 5; do
	awk -v on=$n '
		/<title/ { sub("on: 6", "on: " on) }
		/class="on"/ && ++switches > on {
			sub("\"on\"", "\"off\"")
			sub("cx=\"34\"", "cx=\"12\"")
			sub(" insidetext", "")
		}
		{ print }
	' map-6.svg >"${to:-.}/map-$n.svg"
done
