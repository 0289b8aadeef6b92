#!/usr/bin/env bash
# Airflow and Dagster for their examples, each in an environment of its own. Their runs take a minute, so the gate does without.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$(realpath "$1")
for wanted in apache-airflow==3.3.2 dagster==1.13.28; do
  name=${wanted%%==*}
  target=$bin/../${name#apache-}
  mark=$target/$(echo "$root" "$wanted" | cat - "$root/pyproject.toml" | cksum | tr -dc 0-9)
  test -e "$mark" && continue
  rm -rf "$target"
  "$bin/python" -m venv --without-pip "$target"
  "$root/tests/install.sh" "$bin" "$target/bin/python" -e "$root" "$wanted"
  touch "$mark"
done
