"""The askonce service: workers that answer what `askonce` clients ask."""

import os
import sys
from importlib.util import find_spec

from askonce_worker.process.parent_watch import end_with_parent
from askonce_worker.process.probe import is_probe, probe
from askonce_worker.rest_free import load_qdrant_without_rest

NEEDED = (
    "arq",
    "openai",
    "aiohttp",
    "qdrant_client",
    "numpy",
    "pydantic_settings",
    "structlog",
    "typer",
    "rich",
    "jsonschema_rs",
)


def main() -> None:
    """The `askonce-worker` command."""
    if is_probe(sys.argv[1:]):  # once in a few seconds, on every worker's machine
        raise SystemExit(probe(ready="--ready" in sys.argv))
    end_with_parent()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"askonce-worker needs its extra ({missing[0]} is missing): pip install 'askonce[worker]'\n")
        raise SystemExit(2)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        # Comparing with the leaders in flight takes a millisecond; handing it out to threads takes longer.
        os.environ.setdefault(name, "1")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # a child is another program: gRPC would only log of it
    load_qdrant_without_rest()
    from askonce_worker.cli import app  # noqa: PLC0415 - it imports what may be missing, and numpy

    app()
