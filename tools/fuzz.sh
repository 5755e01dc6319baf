#!/usr/bin/env bash
# Runs every fuzz target for a while: tools/fuzz.sh 10s, or 100x for so many inputs.
# What it finds is written to testdata/fuzz of the target's package, as an input
# that go test tries from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long each target takes, such as 10s or 100x}
go=${GO:-go}
binary=$(mktemp -d)
trap 'rm -rf "$binary"' EXIT
inputs=$($go env GOCACHE)/fuzz/$($go list -m)

packages=$(grep -rl --include='*_test.go' --exclude-dir=e2e --exclude-dir=.cache '^func Fuzz' . | xargs -n 1 dirname | sort -u)
for package in $packages; do
  # Built once for all of its targets, which takes longer than to run them.
  $go test -c -fuzz . -o "$binary/test" "$package"
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$package"/*_test.go); do
    echo "$package $target"
    (cd "$package" && "$binary/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" \
      -test.fuzzminimizetime 5s -test.fuzzcachedir "$inputs/$package") | { grep -vE '^(fuzz: elapsed|PASS)' || true; }
  done
done
