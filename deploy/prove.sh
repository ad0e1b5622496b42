#!/usr/bin/env bash
# Carries out the steps of the Dockerfile in a clean folder, without a container engine, and
# starts the result as the image would: alone in its root, as its user, with nothing around
# it. Needs Node and Go of the versions that the Dockerfile names. As root the binary is shut
# into its folder (chroot) under the image's user; else it runs as whoever calls.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$work"' EXIT
fail() { echo "prove: $*" >&2; exit 1; }

# The context: what is in the repository, less what .dockerignore names.
mkdir "$work/context"
comm -z -23 <(git ls-files -zco --exclude-standard | sort -zu) \
  <({ git ls-files -zci -X .dockerignore; git ls-files -zoi -X .dockerignore; } | sort -zu) |
  while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
  tar --null -cf - -T - | tar -xf - -C "$work/context"

# A stage is a folder. Paths of a stage are made paths of this machine by stage_path.
stage=; here=/; user=; declare -a environment=() entry=()
stage_path() { case $1 in /*) echo "$work/$stage$1" ;; *) echo "$work/$stage${here%/}/$1" ;; esac; }

step() { # keyword arguments
  local keyword=$1 arguments=$2 origin owner target
  case $keyword in
    FROM)
      read -r image _ stage <<<"$arguments"
      stage=${stage:-image} here=/
      mkdir -p "$work/$stage"
      case $image in
        node:*) [[ $(node --version) == "v$(sed 's/^node:\([0-9]*\).*/\1/' <<<"$image")."* ]] || fail "want Node as in $image, have $(node --version)" ;;
        golang:*) [[ $(go env GOVERSION) == "go$(sed 's/^golang:\([0-9.]*\).*/\1/' <<<"$image")"* ]] || fail "want Go as in $image, have $(go env GOVERSION)" ;;
      esac ;;
    WORKDIR) here=$arguments && mkdir -p "$(stage_path .)" ;;
    COPY)
      origin=$work/context owner=
      while [[ $arguments == --* ]]; do
        case ${arguments%% *} in
          --from=*) origin=$work/${arguments#--from=}; origin=${origin%% *} ;;
          --chown=*) owner=${arguments#--chown=}; owner=${owner%% *} ;;
          *) fail "unknown: COPY $arguments" ;;
        esac
        arguments=${arguments#* }
      done
      read -ra paths <<<"$arguments"
      target=$(stage_path "${paths[-1]}")
      for path in "${paths[@]::${#paths[@]}-1}"; do copy "$origin/${path#/}" "$target" "$owner"; done ;;
    RUN) (cd "$(stage_path .)" && bash -euo pipefail -c "$arguments") ;;
    ARG) export "$arguments=${!arguments}" ;; # what the build is given
    ENV) read -ra paths <<<"$arguments" && environment+=("${paths[@]}") ;;
    USER) user=$arguments ;;
    ENTRYPOINT) mapfile -t entry < <(grep -o '"[^"]*"' <<<"$arguments" | tr -d '"') ;;
    EXPOSE | VOLUME) ;;
    *) fail "unknown: $keyword $arguments" ;;
  esac
}

copy() { # origin target owner: a folder gives its content, a file goes into a folder or gets the name
  if [ -d "$1" ]; then
    mkdir -p "$2" && cp -a "$1/." "$2"
  else
    case $2 in */ | */.) mkdir -p "$2" ;; *) mkdir -p "$(dirname "$2")" ;; esac
    cp -a "$1" "$2"
  fi
  [ -z "$3" ] || [ "$(id -u)" != 0 ] || chown -R "$3" "$2"
}

VERSION=proof-$RANDOM
while read -r keyword arguments; do
  [[ -z $keyword || $keyword == \#* ]] || { echo "== $keyword $arguments"; step "$keyword" "$arguments" </dev/null; }
done <Dockerfile

root=$work/image
port=$((20000 + RANDOM % 20000))
url=http://127.0.0.1:$port
secrets=()

start() {
  local as=("$(command -v chroot)" --userspec="$user" "$root") vars=("${environment[@]}")
  if [ "$(id -u)" != 0 ]; then
    as=() vars=("${environment[@]/=\/data/=$root/data}")
    entry[0]=$root/${entry[0]#"$root"/}
  fi
  env -i "${vars[@]}" PORT=$port "${secrets[@]}" "${as[@]}" "${entry[@]}" >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    curl -fs "$url/readyz" >/dev/null && return
    kill -0 $server 2>/dev/null || return 1
    sleep 0.1
  done
  fail "not ready after 10 s: $(cat "$work/log")"
}
stop() { # the exit code of a stop is that of a clean end
  kill -TERM "$server"
  wait "$server" || fail "the stop ended with $?: $(cat "$work/log")"
  server=
}
expect() { [[ $2 == *"$3"* ]] || fail "$1: no \"$3\" in: ${2:0:500}"; }

! start || fail "it started in production without secrets"
server=
expect "without secrets" "$(cat "$work/log")" "MESSAGE_ENCRYPTION_KEY: is missing"

secrets=(JWT_SECRET="$(openssl rand -hex 32)" JWT_REFRESH_SECRET="$(openssl rand -hex 32)" MESSAGE_ENCRYPTION_KEY="$(openssl rand -hex 32)")
start || fail "it did not start: $(cat "$work/log")"
[ "$(id -u)" != 0 ] || expect "user" "$(awk '/^Uid:/ {print $2}' /proc/$server/status)" "${user%%:*}"
index=$(curl -fsi "$url/messages" -H 'Accept: text/html')
expect "page" "$index" "default-src 'none'; script-src 'self'"
script=$(grep -o '/assets/[^"]*\.js' <<<"$index" | head -1)
expect "script" "$(curl -fsi "$url$script" | tr -d '\0' | head -c 4000)" "immutable"
expect "version" "$(curl -fs "$url/api/version")" "\"version\":\"$VERSION\""
expect "unknown route" "$(curl -s "$url/api/nothing")" "ENDPOINT_NOT_FOUND"
expect "sign-up" "$(curl -fsi "$url/api/auth/signup" -H 'Content-Type: application/json' -d '{"fullName":"Ann Archer","username":"ann",
  "email":"ann@example.com","password":"Correct-Horse-7","birthday":"1990-01-31"}')" "Secure"
stop

start || fail "it did not start again: $(cat "$work/log")"
expect "login after a restart" "$(curl -fs "$url/api/auth/login" -H 'Content-Type: application/json' \
  -d '{"email":"ann","password":"Correct-Horse-7"}')" '"accessToken"'
stop
du -h "$root${entry[0]#"$root"}" | sed "s|$root||"
echo "prove: the image builds, starts as ${user:-nobody in particular}, serves its page, keeps its data, and stops clean"
