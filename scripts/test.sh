#!/usr/bin/env bash
# All tests of all modules, race detector on. SQLite itself is compiled without it: it is
# machine-translated C, and the detector makes it 37 times slower instead of 4. So is the cipher
# of bcrypt, which old passwords are checked with. Only these two packages are left out: wider
# patterns leave out generic code of the standard library too, and then the detector reports races
# that are none.
#
# Where no mongod or no S3-compatible server can be had, what needs one is left out, but under CI=true
# that fails. What runs the whole server runs on the embedded store here, and with "mongodb" as the argument on MongoDB.
set -euo pipefail
cd "$(dirname "$0")/.."
race=(-race -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='golang.org/x/crypto/blowfish=-race=false' -timeout 20m)

if ! MONGOD=$(./scripts/mongod.sh); then
  [ "${CI:-}" != true ] || exit 1
  MONGOD=none
fi
export MONGOD
if ! S3_SERVER=$(./scripts/s3server.sh); then
  [ "${CI:-}" != true ] || exit 1
  S3_SERVER=none
fi
export S3_SERVER

if [ "${1:-}" = mongodb ]; then
  if [ "$MONGOD" = none ]; then
    echo "MONGODB IS NOT TESTED HERE: there is no mongod, see above."
    exit
  fi
  go test "${race[@]}" ./internal/journalstore
  export PRYDE_TEST_STORE=mongodb
  go test "${race[@]}" ./internal/app
  cd web
  go run ../internal/testkit/mongod/with npx vitest run $(grep -lE "from '(\./|\.\./src/live/)server'" src/live/*.test.ts e2e/talk.test.ts)
  exit
fi

if [ "${1:-}" = tools ]; then
  for module in torture bench; do
    echo "== $module"
    (cd "$module" && go test "${race[@]}" ./...)
  done
  exit
fi

go vet ./...
# Many tests wait for a disk, a timer or a database.
go test "${race[@]}" -p 3 $(go list ./... | grep -v /internal/journalstore)
echo "== oracle"
(cd oracle && go test "${race[@]}" ./...)
echo "== web"
(cd web && npm run --silent check && npx vitest run)
if [ "$MONGOD" = none ]; then
  echo "MONGODB IS NOT TESTED HERE: there is no mongod, see above."
fi
if [ "$S3_SERVER" = none ]; then
  echo "S3 IS NOT TESTED HERE: there is no S3-compatible server, see above."
fi
