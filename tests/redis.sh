#!/usr/bin/env bash
# Debian's redis-server into the virtual environment, for the tests of failover: its package would start a service.
set -euo pipefail
target=$(realpath "$1")
command -v redis-server >/dev/null && exit 0
test -x "$target/redis-server" && exit 0
command -v apt-get >/dev/null || { echo "redis-server: no apt-get here; the tests that need it are skipped" >&2; exit 0; }
tree="$target/../opt/redis"
packages=(redis-server redis-tools libjemalloc2 liblzf1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
download=(apt-get --quiet --quiet download "${packages[@]}")
"${download[@]}" 2>/dev/null || { apt-get --quiet --quiet update; "${download[@]}"; }
mkdir -p "$tree"
for package in *.deb; do dpkg-deb --extract "$package" "$tree"; done
cat >"$target/redis-server" <<SH
#!/bin/sh
LD_LIBRARY_PATH=$(echo "$tree"/usr/lib/*-linux-gnu) exec "$tree/usr/bin/redis-server" "\$@"
SH
chmod +x "$target/redis-server"
