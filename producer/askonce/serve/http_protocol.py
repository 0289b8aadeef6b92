"""How connections are spoken to: uvicorn's protocol, with bounds on a request's headers: seconds and bytes."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS = 30.0
"""Within which a connection must have its first headers here, and those of a later request once something of it, or
after the request before, has come. Until then, uvicorn's keep-alive bounds the wait."""
MOST = 65_536
"""Bytes of headers or trailers, about: what comes at once counts once it is not all."""


class PatientProtocol(HttpToolsProtocol):
    """Closes connections on which nothing comes, or a header a minute, or headers or trailers without an end."""

    _late: asyncio.TimerHandle | None = None
    """There is one while headers are to come, and no request runs whose reply it could cut off."""
    _size = 0
    """Bytes since the last that were no headers or trailers."""

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
