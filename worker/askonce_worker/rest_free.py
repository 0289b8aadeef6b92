"""Leaves unloaded what a worker has no use for: the models of Qdrant's REST interface, a second of each start."""

import sys
from importlib.util import find_spec, module_from_spec

PACKAGE = "qdrant_client"


def load_qdrant_without_rest() -> None:
    """For processes of our own, before anything imports `qdrant_client`. Its `grpc` is found below it as ever."""
    spec = find_spec(PACKAGE)
    if spec is not None and PACKAGE not in sys.modules:
        sys.modules[PACKAGE] = module_from_spec(spec)  # not executed: its own __init__ imports all of it
