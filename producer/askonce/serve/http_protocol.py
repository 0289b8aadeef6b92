"""How connections are spoken to: uvicorn's protocol, with a bound on how long a request may take to be sent."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS = 30.0
"""Within which the first request of a connection must have its headers here. Later ones: uvicorn's keep-alive."""


class PatientProtocol(HttpToolsProtocol):
    """Closes connections on which nothing comes, or a header a minute."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(SECONDS, transport.close)

    def on_headers_complete(self) -> None:
        self._in_time()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
