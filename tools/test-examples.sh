#!/bin/sh
# Checks the examples in policies/examples as their users have them: each over the
# baseline, whose files at the same paths it replaces. It must type-check, and its own
# tests must pass and cover every line of its rules.
#
# usage: tools/test-examples.sh OPA    from the top of the repository
set -eu
opa=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

for example in policies/examples/*/; do
  name=$(basename "$example")
  rm -rf "$tree/policy"
  mkdir "$tree/policy"
  cp -R policies/gatehouse "$example." "$tree/policy"
  "$opa" check --strict -s policies/schemas "$tree/policy"

  own="^data\\.${name}_test\\."
  if ! "$opa" test --fail-on-empty --coverage --run "$own" "$tree/policy" > "$tree/coverage.json"; then
    "$opa" test --run "$own" "$tree/policy"
    exit 1
  fi
  for rule in $(cd "$example" && find . -name '*.rego' ! -name '*_test.rego'); do
    file="$tree/policy/${rule#./}"
    "$opa" eval --fail --format raw --input "$tree/coverage.json" "input.files[\"$file\"].coverage == 100" > "$tree/covered" || true
    if ! grep -q true "$tree/covered"; then
      echo "$example${rule#./} is not covered by its own tests:"
      "$opa" eval --format pretty --input "$tree/coverage.json" "input.files[\"$file\"].not_covered"
      exit 1
    fi
  done
done
