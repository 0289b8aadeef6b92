#!/usr/bin/env bash
# Asks the package index for known vulnerabilities of everything in constraints.txt. Needs a network: without one, or
# behind a mirror that does not know of advisories, it fails, since then nothing at all has been looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "pip-audit==2.10.1"
status=0
# --strict: a package that the service does not know is a failure, not a package without vulnerabilities.
"$work/venv/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off --timeout 15 \
  -r constraints.txt >"$work/report" 2>&1 || status=$?
cat "$work/report"
if [ "$status" != 0 ] && ! grep -q "vulnerabilit" "$work/report"; then
  echo "audit: the advisory service could not be asked, so nothing was audited: run this where it can be reached" >&2
fi
exit "$status"
