#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME each: those of the product's module, and those that
# compare it with other implementations.
set -euo pipefail
cd "$(dirname "$0")/.."
for module in . oracle; do
  (cd "$module" && go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...) | while read -r dir; do
    { grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go || true; } | awk '{print $2}' | sort -u | while read -r target; do
      echo "== ${dir#"$PWD/"} $target"
      (cd "$dir" && go test . -run '^$' -fuzz "^${target}\$" -fuzztime "${FUZZTIME:-20s}" </dev/null)
    done
  done
done
