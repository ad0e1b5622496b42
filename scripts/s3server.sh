#!/usr/bin/env bash
# Prints the path of an S3-compatible server for the tests: the versitygw that S3_SERVER names, else
# one on the PATH, else version 1.8.0, which is built once into the user's cache folder. S3_SERVER=none:
# there is none. Where there is none it says why and fails.
set -euo pipefail

none() {
  echo "s3server.sh: $*" >&2
  exit 1
}

if [ -n "${S3_SERVER:-}" ]; then
  [ "$S3_SERVER" != none ] || none "S3_SERVER says that there is none"
  command -v "$S3_SERVER" || none "S3_SERVER is $S3_SERVER, which is no program"
  exit
fi
command -v versitygw && exit

[ -n "${XDG_CACHE_HOME:-${HOME:-}}" ] || none "no versitygw here, and neither HOME nor XDG_CACHE_HOME says where one could be kept"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pryde"
path="$cache/versitygw-1.8.0"
if [ ! -x "$path" ]; then
  mkdir -p "$cache"
  built=$(mktemp -d "$cache/build-XXXXXX")
  trap 'rm -rf "$built"' EXIT
  echo "s3server.sh: building versitygw 1.8.0 into $cache" >&2
  GOBIN="$built" GOFLAGS= CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 >&2 || none "no versitygw here, and none could be built"
  # Whoever builds at the same time puts the same file in the same place.
  mv -f "$built/versitygw" "$path"
fi
echo "$path"
