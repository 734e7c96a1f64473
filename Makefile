# The steps are static and reproducible: no cgo, no paths, no build IDs. Without debug
# symbols and the documentation generator of cli they start faster.
export CGO_ENABLED = 0
GOFLAGS_BIN = -trimpath -buildvcs=false -tags urfave_cli_no_docs -ldflags '-s -w -buildid='
BIN ?= bin
STEPS = $(sort $(wildcard step[0-9]*-*)) $(patsubst %/main.go,%,$(wildcard beyond/*/main.go))
PROGRAMS = $(STEPS) binlibdepcp workshop

# The linter has a module file of its own, so that the programs don't require its modules.
LINT = internal/lint.mod

# What make jail puts into a jail, as far as it is there.
DIR ?= jail
TOOLS = sh bash cat chmod chown cp date df dirname echo env false find grep head hostname id ip \
	ipcmk ipcrm ipcs kill less ln ls mkdir mount mv ps pwd readlink rm rmdir sed sleep sort stat \
	stty tail tee touch true tty umount uname wc
FIND_TOOLS = tools=; for tool in $(TOOLS); do for dir in /bin /usr/bin /sbin /usr/sbin; do \
	if [ -x $$dir/$$tool ]; then tools="$$tools $$dir/$$tool"; break; fi; done; done

# One program that is all of these tools, if the machine has it: Debian's busybox-static.
BUSYBOX ?= $(firstword $(wildcard /bin/busybox /usr/bin/busybox))

.DEFAULT_GOAL = help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the programs into bin/
	@mkdir -p $(BIN)
	go build $(GOFLAGS_BIN) -o $(BIN)/ $(addprefix ./,$(PROGRAMS))

fetch: ## download all that build, demo and test need, for a room without a network
	go mod download

# What can't run on this machine is named first, with its fix.
demo: build ## show all six steps in 90 seconds, the host beside the container
	@report=$$($(BIN)/workshop doctor 2>&1) || printf '%s\n' "$$report"
	@$(BIN)/workshop demo

jail: build ## fill a jail with a shell and the usual small tools: make jail DIR=jail
	@$(FIND_TOOLS); $(BIN)/binlibdepcp --with terminfo $$tools "$(DIR)"
	@echo 'try, as root: $(BIN)/step6-chroot -pmc "$(DIR)" bash'

rootfs: DIR = img
rootfs: build ## make a root file system for the steps beyond 6: make rootfs DIR=img
	@$(FIND_TOOLS); BUSYBOX="$(BUSYBOX)" internal/rootfs.sh $(BIN)/binlibdepcp "$(DIR)" $$tools
	@echo 'try, as root: $(BIN)/step8-pivot -pmr "$(DIR)" sh'

# make builds the programs once, and the tests of each package copy them.
test: build ## run all tests, as root or not
	NSTEPS_TEST_BIN=$(abspath $(BIN)) go test -count=1 -timeout 30m ./...

# Not the packages whose tests run the built programs: the detector sees only the test there.
BUILT = bench|machines|steptest|docs|doctor|play|workshop|binlibdepcp|randomtree|step[0-9]+-[a-z]+|join|container|bundle
race: ## the tests under the race detector, which needs a C compiler
	CGO_ENABLED=1 go test -race -count=1 -timeout 30m $$(go list ./... | grep -Ev '/($(BUILT))$$')

soak: ## the tests with hundreds of random kills and an hour of random trees
	NSTEPS_SOAK=1 go test -count=1 -timeout 4h ./...

exercises: ## on a copy, the tests of the coding exercises, with and without their solutions
	./internal/exercises.sh

matrix: ## boot other kernels under QEMU, run the tests in them, write docs/tested.md
	go run ./internal/matrix -write docs/tested.md

matrix-ci: ## the part of make matrix and make userlands that CI has time for
	go run ./internal/matrix ci

matrix-tests: ## whole test packages on one kernel: make matrix-tests KERNEL=5.10 ARCH=arm64
	go run ./internal/matrix tests $(KERNEL) $(ARCH) $(PACKAGES)

matrix-systemd: ## the tests of make matrix in a guest that systemd runs
	go run ./internal/matrix systemd

userlands: ## make test in the userlands of Debian 13 and sid, as root
	go run ./internal/matrix userlands

# The linter's cache names files by their paths, so each checkout has a cache of its own.
lint: export GOLANGCI_LINT_CACHE = $(CURDIR)/.cache/golangci-lint
lint: ## go vet, golangci-lint (.golangci.yml), shellcheck
	go vet -tags exercise ./...
	GOOS=darwin go vet ./...
	GOARCH=arm64 go vet ./...
	go tool -modfile=$(LINT) golangci-lint run ./...
	shellcheck docs/*.sh internal/*.sh internal/*/*.sh .ci/run

bench: build ## launch time against unshare, bwrap, crun and runc, as ratios
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./bench

cover: ## statement coverage of common, the built programs included
	./internal/cover.sh

diff: build ## what a step adds to its base: make diff STEP=4
	@$(BIN)/workshop diff $(STEP)

diffs: ## write the diffs between each step and its base to docs/diff
	go run ./docs/diffs

docs: ## write the code that the chapters show into them, from the sources
	go run ./docs/include docs/*.md

clean: ## remove what the build and the demo make
	rm -rf bin jail cover .cache

.PHONY: help build fetch demo jail rootfs test race soak exercises matrix matrix-ci matrix-tests \
	matrix-systemd userlands lint bench cover diff diffs docs clean
