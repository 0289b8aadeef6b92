#!/usr/bin/env bash
# Debian's chromium and its driver, for the tests of the page in a real browser.
set -euo pipefail
command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "chromium: it takes apt-get and root to install it; the tests that need it are skipped" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
install=(apt-get --quiet --quiet --yes --no-install-recommends install chromium chromium-driver fonts-dejavu-core)
"${install[@]}" >/dev/null 2>&1 || { apt-get --quiet --quiet update; "${install[@]}" >/dev/null; }
