#!/usr/bin/env bash
# The caches and queues that askonce is measured beside, each in an environment of its own beside the project's packages.
set -euo pipefail
here=$(cd "$(dirname "$0")/benchmarks/peers/requirements" && pwd)
bin=$(realpath "$1")
for list in "$here"/*.txt; do
  target=$bin/../peers/$(basename "$list" .txt)
  mark=$target/$(cksum < "$list" | tr -dc 0-9)
  test -e "$mark" && continue
  rm -rf "$target"
  mkdir -p "$(dirname "$target")"
  "$bin/python" -m venv "$target"
  "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$list"
  touch "$mark"
done
