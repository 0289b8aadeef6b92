"""The semantic cache: questions' vectors in Qdrant, found by similarity within one scope.

A point holds what a hit is checked by (scope, epochs, expiry) and the fingerprint, which leads to the entry in Redis.
The question's text is not in it. How the calls go out, and why over gRPC: `qdrant_messages.py`.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from qdrant_client import AsyncQdrantClient
from qdrant_client import grpc as qdrant
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

from askonce_worker.answering.ports import Candidate, SemanticCacheDown, StoredVector, VectorQuery, VectorRefused
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.providers.loopback import is_loopback

_REST_PORT = 6333
_GRPC_PORT = 6334
_CHANNEL = {
    # gRPC would wait up to two minutes before it tries again, long after Qdrant is back.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 2000,
    # A peer that vanished without a word is noticed.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 5_000,
}


def connect_qdrant(url: str, *, api_key: str | None = None) -> AsyncQdrantClient:
    """A client of the gRPC endpoint. No I/O; the channel opens in the loop that makes the first call.

    The port is gRPC's; REST's well-known one (6333), or none, stands for gRPC's well-known one (6334). Over https the
    certificate has to be of that host, by an authority in SSL_CERT_FILE, or else one that gRPC knows.
    """
    parts = urlsplit(url)
    port = parts.port or _REST_PORT
    return AsyncQdrantClient(
        host=parts.hostname,
        grpc_port=_GRPC_PORT if port == _REST_PORT else port,
        https=parts.scheme == "https",
        prefer_grpc=True,
        api_key=api_key,
        check_compatibility=False,
        grpc_options={**_CHANNEL, **_authorities(), "grpc.enable_http_proxy": 0 if is_loopback(url) else 1},
    )


def _authorities() -> dict[str, Any]:
    """gRPC has a list of its own, and knows nothing of the variable by which all else here is told."""
    path = os.environ.get("SSL_CERT_FILE")
    return {"root_certificates": Path(path).read_bytes()} if path else {}


class QdrantSemanticCache:
    """All methods raise SemanticCacheDown, with its cause, when Qdrant cannot be reached, is slow, or refuses."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        embedding_model: str,
        now: Callable[[], float],
        prefix: str = "askonce",
        timeout: float = 3.0,
    ) -> None:
        """now: unix seconds. timeout: seconds for each call."""
        self._client = client
        self._now = now
        self._timeout = timeout
        self._prefix = messages.collection_prefix(prefix, embedding_model)
        self._ready: set[str] = set()
        self._preparing = asyncio.Lock()

    async def search(self, queries: Sequence[VectorQuery]) -> list[list[Candidate]]:
        """At most five candidates a query, the most similar first: one round trip for all queries.

        They go out by scope: Qdrant scores neighbours with equal filters together (64 queries of five scopes among
        5,000 vectors: 9 ms, and 30 ms when the scopes take turns).
        """
        if not queries:
            return []
        name = await self._collection(len(queries[0].vector))
        now = int(self._now())
        order = sorted(range(len(queries)), key=lambda i: (queries[i].scope, queries[i].threshold))
        batch = [messages.query(name, queries[i], now) for i in order]
        with self._translated(name):
            request = qdrant.QueryBatchPoints(collection_name=name, query_points=batch)
            reply = await self._client.grpc_points.QueryBatch(request, timeout=self._timeout)
        found: list[list[Candidate]] = [[] for _ in queries]
        for position, result in zip(order, reply.result, strict=True):
            found[position] = [_candidate(point) for point in result.result]
        return found

    async def upsert(self, vectors: Sequence[StoredVector]) -> None:
        """Store, or replace under the same fingerprint; searchable when this returns."""
        if not vectors:
            return
        name = await self._collection(len(vectors[0].vector))
        points = [messages.point(vector) for vector in vectors]
        with self._translated(name):
            request = qdrant.UpsertPoints(collection_name=name, wait=True, points=points)
            await self._client.grpc_points.Upsert(request, timeout=self._timeout)

    @property
    def collections(self) -> list[str]:
        """Those that this worker has used."""
        return sorted(self._ready)

    async def count(self) -> int:
        """Points of this embedding model, expired ones included."""
        total = 0
        for name in await self._collections():
            with self._translated(name):
                request = qdrant.CountPoints(collection_name=name, exact=True)
                reply = await self._client.grpc_points.Count(request, timeout=self._timeout)
            total += reply.result.count
        return total

    async def close(self) -> None:
        await self._client.close()

    async def _collections(self) -> list[str]:
        """The model's collections, of whatever dimension: maintenance need not have seen a vector."""
        with self._translated():
            reply = await self._client.grpc_collections.List(qdrant.ListCollectionsRequest(), timeout=self._timeout)
        names = [collection.name for collection in reply.collections if collection.name.startswith(self._prefix)]
        return [name for name in names if name.removeprefix(self._prefix).isdigit()]

    async def _collection(self, dimension: int) -> str:
        """The collection's name, once it and its indexes are there."""
        name = f"{self._prefix}{dimension}"
        if name not in self._ready:
            async with self._preparing:
                if name not in self._ready:
                    await self._prepare(name, dimension)
        return name

    async def _prepare(self, name: str, dimension: int) -> None:
        with self._translated():
            if not await self._exists(name):
                await self._create(name, dimension)
            # Also where it exists: the worker that made it may have died before it came to this.
            for index in messages.indexes_of(name):
                await self._client.grpc_points.CreateFieldIndex(index, timeout=self._timeout)
        self._ready.add(name)

    async def _exists(self, name: str) -> bool:
        request = qdrant.CollectionExistsRequest(collection_name=name)
        reply = await self._client.grpc_collections.CollectionExists(request, timeout=self._timeout)
        return bool(reply.result.exists)

    async def _create(self, name: str, dimension: int) -> None:
        request = messages.collection_of(name, dimension)
        try:
            await self._client.grpc_collections.Create(request, timeout=self._timeout)
        except grpc.RpcError:
            if not await self._exists(name):  # else another worker was first
                raise

    @contextmanager
    def _translated(self, collection: str | None = None) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            _pass_on_cancellation()
            if collection and error.code() == grpc.StatusCode.NOT_FOUND:
                self._ready.discard(collection)  # Qdrant lost it: the next call makes it anew
            kind = VectorRefused if error.code() == grpc.StatusCode.INVALID_ARGUMENT else SemanticCacheDown
            raise kind(f"{error.code().name}: {error.details()}") from error
        except (ResourceExhaustedResponse, grpc.aio.UsageError) as error:
            raise SemanticCacheDown(str(error)) from error


def _pass_on_cancellation() -> None:
    """With interceptors, as the official client has them, a cancelled call may end as a failed one."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _candidate(point: qdrant.ScoredPoint) -> Candidate:
    return Candidate(point.payload["fingerprint"].string_value, point.score)
