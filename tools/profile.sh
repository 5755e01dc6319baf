#!/bin/sh
# Writes tools/cpu.pgo anew, by which the compiler optimises the program: what the
# processor does in verification, in decisions and in a replay.
# https://go.dev/doc/pgo
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
record() { # package, benchmark, how often
  $go test -trimpath "./$1" -run '^$' -bench "$2" -benchtime "$3" -cpu 1 -o "$work/bench" -cpuprofile "$work/$(echo "$1" | tr / -).prof"
}
record replay '^BenchmarkRun$' 10x
record rego '^BenchmarkAttestation$' 10000x
record evidence/awsiid '^BenchmarkVerify$' 20000x
record evidence/azuremsi '^BenchmarkVerify$' 20000x
$go tool pprof -proto "$work"/*.prof >"$work/merged"
mv "$work/merged" tools/cpu.pgo
