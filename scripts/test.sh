#!/usr/bin/env bash
# All tests of all modules, race detector on. SQLite itself is compiled without it: it is
# machine-translated C, and the detector makes it 37 times slower instead of 4. Only that one
# package is left out: wider patterns leave out generic code of the standard library too, and
# then the detector reports races that are none.
set -euo pipefail
cd "$(dirname "$0")/.."
race=(-race -gcflags='modernc.org/sqlite/lib=-race=false')

go vet ./...
go test "${race[@]}" ./...
for module in oracle torture bench; do
  echo "== $module"
  (cd "$module" && go test "${race[@]}" ./...)
done
echo "== web"
(cd web && npm run --silent check && npx vitest run)
