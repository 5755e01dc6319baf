# make demo and make test are the two commands to know; make help lists the rest.

GO ?= go
# The plugin is static and reproducible: the same commit gives the same checksum.
BUILD = $(GO) build -buildvcs=false -ldflags='-s -w -buildid=' -pgo='$(PGO)'
# The profile makes it a tenth faster, and has all that it is made of compiled once
# more, which takes minutes: tests do without (PGO=off).
PGO ?= $(CURDIR)/tools/cpu.pgo
# The program, the linters and the tests are compiled in one way, so that the clouds'
# SDKs are compiled once. Only the race detector has a way of its own.
export CGO_ENABLED = 0
export GOFLAGS += -trimpath

.DEFAULT_GOAL := help
.PHONY: help build demo bench profile test vet lint test-go test-e2e spire moto postgres chromium clean fuzz fuzz-short soak

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

BIN ?= bin/gatehouse
build: ## build bin/gatehouse (BIN=… elsewhere)
	@mkdir -p $(dir $(BIN))
	$(BUILD) -o $(BIN) ./cmd/gatehouse

demo: build ## a real SPIRE server and agent, Gatehouse between them, clouds played on loopback
	@cd e2e && $(GO) run ./cmd/demo

BENCHFLAGS ?=
bench: build spire ## beside SPIRE's built-in attestors, about 12 minutes; BENCHFLAGS=-help lists what can be set
	@cd e2e && $(GO) run ./cmd/bench $(BENCHFLAGS)

profile: ## write tools/cpu.pgo anew, by which the compiler optimises the program
	@GO='$(GO)' tools/profile.sh

test: vet lint test-go fuzz-short rego test-e2e ## everything that CI runs
	@echo 'All checks passed.'

vet: ## go vet, gofmt
	@test -z "$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go'))" || { echo 'not gofmt-ed:'; gofmt -l .; exit 1; }
	$(GO) vet ./...
	cd e2e && $(GO) vet ./...

lint: ## staticcheck
	$(GO) tool -modfile=tools/staticcheck/go.mod staticcheck ./...
	cd e2e && $(GO) tool -modfile=../tools/staticcheck/go.mod staticcheck ./...

# The scripts of cmd start the program a hundred times, and the tests of policies
# compile Rego, one after another: slow with the race detector, which has nothing to
# see there.
test-go: postgres ## Go tests, with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 60m $$($(GO) list ./... | grep -v -e /cmd/ -e /policies$$)
	$(GO) test -timeout 60m ./cmd/... ./policies

FUZZTIME ?= 1m
fuzz: ## fuzz every parser, and payload to decision, for FUZZTIME each
	@GO='$(GO)' tools/fuzz.sh $(FUZZTIME)

fuzz-short: # a second or so each, so that none rots; counted, as a busy machine takes that long to begin
	@GO='$(GO)' tools/fuzz.sh 200x

SOAKTIME ?= 5m
soak: ## attest under faults, reloads and re-configurations for SOAKTIME
	cd e2e && SOAKTIME=$(SOAKTIME) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' .

test-e2e: spire moto postgres chromium ## real SPIRE, cloud stand-ins, moto, PostgreSQL, Chromium
	cd e2e && $(GO) test -count=1 -timeout 60m -parallel 4 ./... # most wait more than they work; not cached: go test does not see the plugin that they build

spire: ## get SPIRE's server and agent (the first time builds them: about 8 minutes on two cores)
	@cd e2e && $(GO) run ./cmd/spire

# moto emulates AWS. Where it is not installed and pip can't install it, the tests
# that need it are skipped and say so; with CI set they fail.
MOTO = 'moto[server]==5.2.1'
moto:
	@command -v moto_server >/dev/null || test -x .cache/moto/bin/moto_server || \
	  { python3 -m venv .cache/moto && .cache/moto/bin/pip install --quiet $(MOTO); } || \
	  echo "moto can't be installed here: python3 -m venv .cache/moto && .cache/moto/bin/pip install $(MOTO)"

# Tests of shared claims start throw-away servers. Where PostgreSQL is not installed
# and can't be, they are skipped and say so; with CI set they fail.
postgres: ## get PostgreSQL's server (Debian's package, as root)
	@command -v postgres >/dev/null || ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | grep -q . || \
	  { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql; } || \
	  echo "PostgreSQL's server can't be installed here: install your system's package"

# Tests of the page that gatehouse replay writes click through it in a headless
# Chromium. Where there is none and it can't be installed, they are skipped and say
# so; with CI set they fail.
chromium: ## get Chromium (Debian's package, as root)
	@for name in chromium chromium-browser google-chrome chrome headless-shell; do command -v $$name >/dev/null && exit 0; done; test -n "$$CHROMIUM" || \
	  { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium; } || \
	  echo "Chromium can't be installed here: install your system's package, or name it in CHROMIUM"

clean: ## remove what was built, SPIRE included
	rm -rf bin .cache

include tools/rego.mk
