"""HTTP/1.1 for the test server: one asyncio Protocol on httptools. One request at a time on a connection."""

import asyncio
import socket
import struct
from typing import Any, Protocol

import httptools
import orjson

REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 429: b"Too Many Requests"}

NAMED = {13: b"authorization", 7: b"api-key"}
"""Headers that are kept, by their lengths."""


class Handler(Protocol):
    connections: int

    def handle(self, connection: "Connection", path: str, raw: bytes, headers: dict[str, str]) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._pending: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._handler.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    # What httptools calls while it parses.

    def on_message_begin(self) -> None:
        self._url, self._body, self._headers = b"", [], {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) in NAMED and name.lower() in NAMED.values():
            self._headers[name.lower().decode()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.method = self._parser.get_method().decode()
        self._keep_alive = self._parser.should_keep_alive()
        self._handler.handle(self, self._url.decode(), b"".join(self._body), self._headers)

    # What the server calls.

    def when_lost(self, gone: Any) -> None:
        """`gone()` is called if the client goes away before `send`, `cut` or `reset`."""
        self._pending = gone

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._pending = None
        lines = [b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n" % (status, REASONS.get(status, b"Other"))]
        lines += [f"{name}: {value}\r\n".encode() for name, value in (headers or {}).items()]
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        self._transport.write(b"".join([*lines, body]))
        if not self._keep_alive:
            self._transport.close()

    def send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, orjson.dumps(body), headers)

    def cut(self, body: bytes) -> None:
        """Half of the body, and the end of the connection."""
        self._pending = None
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
        self._transport.close()

    def reset(self) -> None:
        self._pending = None
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
