#!/usr/bin/env bash
# The semantic cache on the engine of the Qdrant line that deploy/compose.yaml names, beside the newest one, which is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
engine=qdrant-edge-py==0.6.1  # Qdrant 1.17
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests/install.sh "$1" "$1/python" --no-deps --target "$work" "$engine"
PYTHONPATH="$work" ASKONCE_TEST_QDRANTS=graph "$1/pytest" -n 2 -p no:cacheprovider \
  tests/contract/test_qdrant_*.py tests/contract/test_semantic_cache.py
