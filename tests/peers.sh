#!/usr/bin/env bash
# The caches and queues that askonce is measured beside, each in an environment of its own beside the project's packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")
for list in "$here"/benchmarks/peers/requirements/*.txt; do
  target=$bin/../peers/$(basename "$list" .txt)
  mark=$target/$(cksum < "$list" | tr -dc 0-9)
  test -e "$mark" && continue
  rm -rf "$target"
  mkdir -p "$(dirname "$target")"
  "$bin/python" -m venv --without-pip "$target"
  "$here/install.sh" "$bin" "$target/bin/python" --no-deps -r "$list"
  touch "$mark"
done
