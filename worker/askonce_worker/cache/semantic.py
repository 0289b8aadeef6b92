"""The semantic cache: question vectors in Qdrant, searched by similarity within one scope.

A point holds what a hit is checked against (scope, epochs, expiry) and the fingerprint of the entry in Redis, but not
the question's text. `qdrant_messages.py` makes the calls, and says why over gRPC.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from qdrant_client import grpc as qdrant

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Candidate, SemanticCacheDown, StoredVector, Vector, VectorQuery
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_address import address_fault, advice, too_old
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_collections import QdrantCollections
from askonce_worker.cache.qdrant_errors import translated
from askonce_worker.cache.qdrant_quantization import Quantization
from askonce_worker.cache.qdrant_searches import QdrantSearches
from askonce_worker.explaining.ports import Neighbour
from askonce_worker.pacing.limits import Waits
from askonce_worker.providers.retry import Backoff

log = structlog.get_logger()

LOOKING = 3.0
STORING = 60.0
"""Timeout of a call in seconds. Vectors wait in the outbox meanwhile."""
PATIENT = Waits()
LOOKS_AGAIN = 15.0


class QdrantSemanticCache:
    """All methods but `search` raise SemanticCacheDown, with its cause, when Qdrant is away, is slow, or refuses."""

    def __init__(
        self,
        client: QdrantChannel,
        *,
        embedding_model: str,
        now: Callable[[], float],
        prefix: str = "askonce",
        waits: Waits = PATIENT,
        timeout: float = LOOKING,
        store_timeout: float = STORING,
        quantization: Quantization = "none",
    ) -> None:
        """now: Unix seconds. waits: of searches. timeout: seconds of other calls; store_timeout: of storing a batch.
        quantization: of collections that it creates."""
        self._client = client
        self._timeout = timeout
        self._store_timeout = store_timeout
        self._prefix = messages.collection_prefix(prefix, embedding_model)
        self._known = QdrantCollections(client, self._prefix, time.monotonic, quantization)
        pause = Backoff(random.random, least=0.2, factor=2.0).pause
        self._now = now
        self._searches = QdrantSearches(client, self._known, now=now, waits=waits, pause=pause)

    @property
    def most_under_way(self) -> int:
        """Searches that may currently be in flight."""
        return self._searches.most_under_way

    async def search(
        self, queries: Sequence[VectorQuery], *, lane: str = "bulk", within: float = math.inf, urgent: bool = False
    ) -> list[list[Candidate] | Unmatched]:
        """Implements the port. Never raises SemanticCacheDown."""
        return await self._searches.search(queries, lane=lane, within=within, urgent=urgent)

    async def near(self, vector: Vector, namespace: str, *, seconds: float) -> list[Neighbour]:
        """The nearest in a namespace, in any scope and epochs. Also raises TimeoutError."""
        async with asyncio.timeout(seconds):
            name = await self._known.ready(len(vector), seconds)
            request = messages.near(name, vector, namespace, int(self._now()))
            with self._known.noticing_loss(name), translated():
                reply = await self._client.grpc_points.Query(request, timeout=math.ceil(seconds))
        return [_neighbour(point) for point in reply.result]

    async def upsert(self, vectors: Sequence[StoredVector]) -> None:
        """Stores them, or replaces those under the same fingerprint. Searchable when this returns."""
        if not vectors:
            return
        name = await self._known.ready(len(vectors[0].vector), self._store_timeout)
        points = [messages.point(vector) for vector in vectors]
        with self._known.noticing_loss(name), translated():
            request = qdrant.UpsertPoints(collection_name=name, wait=True, points=points)
            await self._client.grpc_points.Upsert(request, timeout=self._store_timeout)

    async def missing(self, vectors: Sequence[StoredVector]) -> list[StoredVector]:
        """The vectors, all of one dimension, that are not stored in this form."""
        if not vectors:
            return []
        name = await self._known.ready(len(vectors[0].vector), self._store_timeout)
        with self._known.noticing_loss(name), translated():
            reply = await self._client.grpc_points.Get(messages.look_at(name, vectors), timeout=self._store_timeout)
        found = {UUID(point.id.uuid): point for point in reply.result}
        points = [(each, found.get(messages.uuid_of(each.fingerprint))) for each in vectors]
        return [each for each, point in points if point is None or not messages.is_as_stored(point, each)]

    async def vectors(self, fingerprints: Sequence[str]) -> dict[str, Vector]:
        """The vectors that are stored."""
        found: dict[str, Vector] = {}
        for name in await self._collections():
            with self._known.noticing_loss(name), translated():
                request = messages.vectors_of(name, fingerprints)
                reply = await self._client.grpc_points.Get(request, timeout=self._store_timeout)
            for point in reply.result:
                vector = messages.vector_in(point)
                if vector is not None:
                    found[point.payload["fingerprint"].string_value] = vector
        return found

    @property
    def collections(self) -> list[str]:
        """The collections that this worker has used."""
        return self._known.used

    async def count(self) -> int:
        """Points of this embedding model, expired ones included."""
        total = 0
        for name in await self._collections():
            with self._known.noticing_loss(name), translated():
                request = qdrant.CountPoints(collection_name=name, exact=True)
                reply = await self._client.grpc_points.Count(request, timeout=self._timeout)
            total += reply.result.count
        return total

    async def close(self) -> None:
        await self._searches.close()
        await self._known.aclose()
        await self._client.close()

    async def _collections(self) -> list[str]:
        """The model's collections of any dimension, because maintenance may not have seen a vector."""
        with translated():
            reply = await self._client.grpc_collections.List(qdrant.ListCollectionsRequest(), timeout=self._timeout)
        names = [collection.name for collection in reply.collections if collection.name.startswith(self._prefix)]
        return [name for name in names if name.removeprefix(self._prefix).isdigit()]


def _neighbour(point: qdrant.ScoredPoint) -> Neighbour:
    payload = point.payload
    return Neighbour(
        payload["fingerprint"].string_value, point.score, payload["scope"].string_value, payload["model"].string_value
    )


async def greet_qdrant(url: str, client: QdrantChannel) -> None:
    """Logs why Qdrant does not answer, or that its version is too old. Returns once it has answered."""
    said = ""
    while True:
        fault = await _fault(url, client)
        if not fault:
            return
        if fault != said:
            log.warning("semantic.unfit", reason=fault)
            said = fault
        await asyncio.sleep(LOOKS_AGAIN)


async def _fault(url: str, client: QdrantChannel) -> str | None:
    try:
        async with asyncio.timeout(LOOKING):
            with translated():
                version = (await client.greeting()).version
    except (SemanticCacheDown, TimeoutError) as error:
        return await address_fault(url) or str(error) or "no answer"
    if (less := advice(version)) is not None and too_old(version) is None:
        log.warning("semantic.old_server", reason=less)
    return too_old(version)
