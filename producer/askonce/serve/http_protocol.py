"""uvicorn's HTTP protocol with limits on the time and size of a request's headers."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS = 30.0
"""Within this time a new connection must have sent its first headers. Headers of a later request have the same time,
from its first bytes on; until then, uvicorn's keep-alive limits the wait."""
MOST = 65_536
"""Approximate maximum bytes of headers or trailers: data counts once it has arrived and more is still missing."""


class PatientProtocol(HttpToolsProtocol):
    """Closes connections that send nothing, send headers too slowly, or send endless headers or trailers."""

    _late: asyncio.TimerHandle | None = None
    """Set while headers are awaited and no request is running whose reply it could cut off."""
    _size = 0
    """Bytes of headers or trailers received so far."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if self._size > MOST and is_idle:
            self.send_400_response("The headers are too long.")
        elif self._size > MOST:
            self.transport.close()
        elif is_idle and self._late is None:
            self._begin()

    def on_headers_complete(self) -> None:
        self._size = 0
        self._in_time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._size = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._late = self.loop.call_later(SECONDS, self.transport.close)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
