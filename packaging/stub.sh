#!/bin/sh
# Warp in one file: this script, then a compressed tar of Deno, the program and its packages. The first
# run unpacks it to a cache directory named by its hash; later runs start from there.
set -e
case "${XDG_CACHE_HOME:-}" in
  /*) cache=$XDG_CACHE_HOME/warp/package ;;
  *)
    if [ -z "${HOME:-}" ]; then
      echo "warp: error: no directory to unpack to: set HOME or XDG_CACHE_HOME" >&2
      exit 1
    fi
    cache=$HOME/.cache/warp/package
    ;;
esac
app=$cache/@DIGEST@
if [ ! -d "$app" ]; then
  if [ "$(uname -s) $(uname -m)" != "@SYSTEM@" ]; then
    echo "warp: error: this file is for @SYSTEM@, not for $(uname -s) $(uname -m)" >&2
    exit 1
  fi
  if ! command -v @UNPACKER@ >/dev/null; then
    echo "warp: error: the first run needs @UNPACKER@ to unpack itself" >&2
    exit 1
  fi
  if ! (umask 077 && mkdir -p "$cache" && [ -w "$cache" ]); then
    echo "warp: error: cannot unpack to $cache (XDG_CACHE_HOME names another directory)" >&2
    exit 1
  fi
  # What was left behind by first runs that were killed.
  find "$cache" -maxdepth 1 -name '.new-*' -mmin +60 -exec rm -rf {} +
  # Unpacked aside and renamed: nobody sees half of it, and two first runs at once do not meet.
  fresh=$(mktemp -d "$cache/.new-XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 130' HUP INT TERM
  { tail -c +@OFFSET@ "$0" | @UNPACK@ || : >"$fresh/damaged"; } | tar -xof - -C "$fresh" || : >"$fresh/damaged"
  if [ -e "$fresh/damaged" ]; then
    echo "warp: error: $0 could not be unpacked: it is damaged, or $cache is full" >&2
    exit 1
  fi
  # Deno renames, because mv moves into a directory that has appeared meanwhile. The loser of two
  # first runs fails here and uses what the winner unpacked.
  DENO_DIR=$cache/deno "$fresh/deno" eval --quiet --no-config \
    'Deno.renameSync(Deno.args[0], Deno.args[1])' "$fresh" "$app" 2>/dev/null || [ -d "$app" ] || {
    echo "warp: error: Deno does not start from $cache" >&2
    exit 1
  }
  rm -rf "$fresh"
  trap - EXIT HUP INT TERM
fi
export DENO_DIR="$cache/deno" DENO_NO_UPDATE_CHECK=1
exec "$app/deno" run -A --quiet --no-lock --cached-only --config "$app/deno.json" "$app/cli.ts" "$@"
