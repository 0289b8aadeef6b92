#!/usr/bin/env bash
# The tests that start, kill and time processes, on a machine that is busy with something else: two loops burn its cores.
set -euo pipefail
cd "$(dirname "$0")/.."
burners=()
trap 'kill "${burners[@]}"' EXIT
for _ in 1 2; do
  "$1/python" -c 'while True: pass' &
  burners+=($!)
done
"$1/pytest" -n 2 --dist loadfile tests/contract/test_run*.py tests/e2e/test_batch*.py tests/e2e/test_demo.py \
  tests/e2e/test_health.py tests/e2e/test_local_stack.py tests/e2e/test_supervisor.py
