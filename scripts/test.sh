#!/usr/bin/env bash
# All tests of all modules, race detector on. SQLite itself is compiled without it: it is
# machine-translated C, and the detector makes it 37 times slower instead of 4.
set -euo pipefail
cd "$(dirname "$0")/.."
race=(-race -gcflags='modernc.org/...=-race=false')

go vet ./...
go test "${race[@]}" ./...
for module in oracle torture bench; do
  echo "== $module"
  (cd "$module" && go test "${race[@]}" ./...)
done
echo "== web"
(cd web && npx tsc --noEmit && npx vitest run)
