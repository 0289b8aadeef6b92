"""A gRPC channel to Qdrant, and its services as Qdrant's own stubs.

The official client adds an interceptor to each call, which costs more than the call's own work, and loads REST's
models, a third of a worker's start: `rest_free.py`. Its messages and stubs are what we take of it.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from qdrant_client import grpc as qdrant

from askonce_worker.cache.qdrant_address import grpc_port
from askonce_worker.providers.address import is_loopback

_STUBS: Any = qdrant  # generated, without types
GREETING = 120
"""Seconds for a health check, if the caller sets no timeout."""
_OPTIONS = {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    # gRPC would wait up to two minutes before it tries again, long after Qdrant is back.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 2000,
    # A peer that vanished without a word is noticed; one that is busy is not taken for it.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 20_000,
}


class QdrantChannel:
    """No I/O: the channel opens in the loop that makes the first call."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        """The port is gRPC's; REST's well-known one (6333), or none, stands for gRPC's well-known one (6334).

        Over https the certificate has to be of that host, by an authority in SSL_CERT_FILE, or else one that gRPC
        knows.
        """
        parts = urlsplit(url)
        self.target = f"{parts.hostname}:{grpc_port(parts)}"
        self._secure = parts.scheme == "https"
        self._options = list({**_OPTIONS, "grpc.enable_http_proxy": 0 if is_loopback(url) else 1}.items())
        self._interceptors = [_ApiKey(api_key)] if api_key else None

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        if self._secure:
            credentials = grpc.ssl_channel_credentials(_authorities())
            return grpc.aio.secure_channel(self.target, credentials, self._options, interceptors=self._interceptors)
        return grpc.aio.insecure_channel(self.target, self._options, interceptors=self._interceptors)

    @cached_property
    def grpc_points(self) -> Any:
        return _STUBS.PointsStub(self._channel)

    @cached_property
    def grpc_collections(self) -> Any:
        return _STUBS.CollectionsStub(self._channel)

    async def greeting(self) -> qdrant.HealthCheckReply:
        """The server's title and version. Raises grpc.RpcError."""
        stub = _STUBS.QdrantStub(self._channel)
        reply: qdrant.HealthCheckReply = await stub.HealthCheck(qdrant.HealthCheckRequest(), timeout=GREETING)
        return reply

    async def close(self) -> None:
        await self._channel.close()


class _ApiKey(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Sends the key with each call."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()), ("api-key", self._key))
        return await continuation(details._replace(metadata=metadata), request)


def _authorities() -> bytes | None:
    """Needed because gRPC has its own list and does not read SSL_CERT_FILE."""
    path = os.environ.get("SSL_CERT_FILE")
    return Path(path).read_bytes() if path else None
