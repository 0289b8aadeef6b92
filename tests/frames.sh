#!/usr/bin/env bash
# Engines that run a function over batches of rows, and a notebook, in an environment of their own: they are large.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")
target=$bin/../frames
mark=$target/$(cat "$here/frames/requirements.txt" "$here/frames.sh" | cksum | tr -dc 0-9)
test -e "$mark" && exit 0
rm -rf "$target"
"$bin/python" -m venv --without-pip "$target"
"$here/install.sh" "$bin" "$target/bin/python" -r "$here/frames/requirements.txt"
touch "$mark"
