#!/bin/sh
# Prints the statement coverage of common and job, by their own tests and by the runs of the built
# programs in all the others (but those in a chroot, which can't reach the data). A command that is executed counts for nothing: execve
# leaves no time to write the data.
set -eu
cd "$(dirname "$0")/.."
rm -rf cover
mkdir -m 777 cover # also for the programs that a test runs as another user
NSTEPS_COVER=$PWD/cover go test -count=1 -skip TestInChroot ./step... ./internal/...
go test -count=1 -cover ./common -args -test.gocoverdir="$PWD/cover"
go tool covdata percent -i=cover -pkg=nsteps/common
go tool covdata textfmt -i=cover -pkg=nsteps/common,nsteps/internal/job -o=cover/profile
go tool cover -func=cover/profile
