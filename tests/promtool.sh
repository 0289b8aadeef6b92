#!/usr/bin/env bash
# promtool, of Debian's prometheus package, into the virtual environment: the package itself would start a service.
set -euo pipefail
target=$(realpath "$1")
test -x "$target/promtool" && exit 0
command -v apt-get >/dev/null || { echo "promtool: no apt-get here; the tests that need it are skipped" >&2; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
apt-get --quiet --quiet download prometheus 2>/dev/null || { apt-get --quiet --quiet update; apt-get --quiet --quiet download prometheus; }
dpkg-deb --extract prometheus_*.deb tree
install tree/usr/bin/promtool "$target/promtool"
