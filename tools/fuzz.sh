#!/usr/bin/env bash
# Runs every fuzz target for a while, tools/fuzz.sh 10s, from the inputs that earlier
# runs found interesting; or for so many inputs, tools/fuzz.sh 1000x, from those in
# testdata alone. What it finds is written to testdata/fuzz of the target's package,
# as an input that go test tries from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long each target takes, such as 10s or 1000x}
go=${GO:-go}
# Kept, as a binary that is up to date is not linked again.
binaries=$PWD/.cache/fuzz
mkdir -p "$binaries"
case $time in
*x) # Without coverage to go by, as that would have all the SDKs compiled once more.
  # An input more than those in testdata would be tried before there is anything new.
  instrument=()
  inputs=$(mktemp -d)
  trap 'rm -rf "$inputs"' EXIT
  minimize=10x ;;
*)
  instrument=(-fuzz .)
  inputs=$($go env GOCACHE)/fuzz/$($go list -m)
  minimize=5s ;;
esac

packages=$(grep -rl --include='*_test.go' --exclude-dir=e2e --exclude-dir=.cache '^func Fuzz' . | xargs -n 1 dirname | sort -u)
for package in $packages; do
  binary=$binaries/${package//\//_}
  $go test -c "${instrument[@]}" -o "$binary" "$package" # once for all of its targets
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$package"/*_test.go); do
    echo "$package $target"
    (cd "$package" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" \
      -test.fuzzminimizetime "$minimize" -test.fuzzcachedir "$inputs/$package" 2>&1) | { grep -vE '^(fuzz: elapsed|PASS|warning: the test binary was not built with coverage)' || true; }
  done
done
