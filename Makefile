# make = what a change must pass before it is shown to anyone. `.ci/run` does
# more in ten minutes, `make night` all there is in hours.

FUZZTIME  ?= 10m
FUZZREST  ?= 1m
SEEDS     ?= 2000
LOGS      ?= /var/log
NIGHT     ?= FAIRLEAD_NIGHT=1
PLATFORMS := amd64 arm64 arm

all: lint
	go test ./...

build:
	go build ./cmd/fairlead

# The logs of this machine in the browser; LOGS=FILE for others.
run:
	go run ./cmd/fairlead up $(LOGS)

test:
	go test ./...

# Every package under the race detector.
race:
	RACEALL=1 .ci/run race

# FuzzFollow for FUZZTIME, every other fuzz test for FUZZREST.
fuzz:
	FUZZTIME=$(FUZZTIME) FUZZREST=$(FUZZREST) .ci/run fuzz

# The replication protocol over a simulated disk, network and clock, SEEDS times.
sim:
	FAIRLEAD_SEEDS=$(SEEDS) go test -count=1 -timeout 4h -v -run TestSimulation ./replica

lint:
	.ci/run gofmt vet staticcheck archtest

bench:
	go test -run '^$$' -bench . -benchmem ./...

# Fairlead beside C servers and tailsrv; writes bench/RESULTS.md.
bench-serve:
	go run ./bench/serve

# Fairlead's entries beside a reference that encodes once, a C server and rsyslog;
# writes bench/STREAM.md.
bench-stream:
	go run ./bench/stream

# Shipping beside its limit, socat, rsync and rsyslog; writes bench/SHIP.md.
bench-ship:
	go run ./bench/ship

# Builds for every system it must build for.
cross:
	.ci/run cross

# Static, stripped Linux binaries and their sums in dist/.
dist:
	rm -rf dist
	for arch in $(PLATFORMS); do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -trimpath -buildvcs=auto -ldflags '-s -w' \
			-o dist/fairlead-linux-$$arch ./cmd/fairlead || exit 1; \
	done
	cd dist && sha256sum fairlead-* > SHA256SUMS

# All there is: the long tests, an hour of fuzzing, the simulation 200,000 times, races five times, benchmarks.
night:
	$(NIGHT) go test -count=1 -timeout 4h ./...
	$(MAKE) fuzz FUZZTIME=1h FUZZREST=10m
	$(MAKE) sim SEEDS=200000
	RACEALL=1 RACEARGS='-count=5 -timeout=2h' .ci/run race
	$(MAKE) bench bench-serve bench-stream bench-ship

.PHONY: all build run test race fuzz sim lint bench bench-serve bench-stream bench-ship cross dist night
