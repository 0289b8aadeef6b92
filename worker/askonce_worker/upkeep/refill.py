"""Embeds and stores what the sweep has ordered (`fill.py`), on all workers, as fast as the embedding server allows.

The orders are a stream with one consumer group: each goes to one worker, and to another one if that dies. Their texts
go to the embedder in a lane of their own, after everything else, and its pace bounds them like the others. While the
server is away, or slow for too long, the orders wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.contract.keys import FILLED, Keys
from askonce.contract.unmatched import Unmatched
from askonce.store.away import TROUBLE
from askonce_worker.answering.ports import Embedder, Embedding, Entry, SemanticCacheDown, StoredVector, VectorRefused
from askonce_worker.cache.outbox import VectorWriter
from askonce_worker.cache.outbox_records import Record, stored_vector, written_name
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.pacing.waiting import REFILL

log = structlog.get_logger()

GROUP = "refill"
BATCH = 256
FLOWS = 4
"""Concurrent batches: while one is stored, others are embedded."""
IDLE, SOON = 2.0, 0.2
STUCK_MS = 300_000
"""Time after which orders are taken over from another worker: longer than embedding and storing them may take."""
EMBEDDED_WITHIN = 60.0
LONGEST_PAUSE = 15.0
LATER = frozenset({Unmatched.EMBEDDINGS_DOWN, Unmatched.EMBEDDINGS_SLOW, Unmatched.EMBEDDINGS_IDENTICAL})
"""Reasons for no vector now, but perhaps later."""


class NotYet(Exception):
    """The embedding server currently returns no vectors."""


class Refill:
    """entries: reads entries by their fingerprints. worker: this one's name. embedding: the id of the embedder's model.
    idle: seconds between checks while nothing is ordered."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        writer: VectorWriter,
        embedder: Embedder,
        entries: Callable[[Sequence[str]], Awaitable[dict[str, Entry]]],
        *,
        worker: str,
        embedding: str,
        refusals: Refusals | None = None,
        idle: float = IDLE,
    ) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._orders = keys.refill(embedding)
        self._writer = writer
        self._embedder = embedder
        self._entries = entries
        self._worker = worker
        self._refusals = refusals or Refusals()
        self._idle = idle

    async def run(self) -> None:
        """Runs until cancelled. Continues when Redis, Qdrant and the embedding server are back."""
        pause = 0.0
        while True:
            try:
                was_ordered = await self._redis.xlen(self._orders) > 0
                if was_ordered:
                    await self._drain()
                pause = 0.0
                await asyncio.sleep(min(SOON, self._idle) if was_ordered else self._idle)
            except (NotYet, SemanticCacheDown, *TROUBLE) as error:
                pause = min(LONGEST_PAUSE, max(1.0, pause * 2))
                log.warning("refill.waiting", cause=type(error).__name__, seconds=pause)
                await asyncio.sleep(pause)

    async def _drain(self) -> None:
        """Runs until nothing is left for this worker. If one task fails, the others finish what they have."""
        await self._make_group()
        flows = [asyncio.create_task(self._flow(f"{self._worker}/{number}")) for number in range(FLOWS)]
        try:
            await asyncio.wait(flows)
        finally:
            for flow in flows:
                flow.cancel()
            ended = await asyncio.gather(*flows, return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(self._orders, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _flow(self, reader: str) -> None:
        while records := await self._next(reader):
            await self._fill(records)

    async def _next(self, reader: str) -> list[Record]:
        """The next orders: unfinished ones of this worker, then those of dead workers, then new ones."""
        for start in ("0", ">"):
            reply = await self._redis.xreadgroup(GROUP, reader, {self._orders: start}, count=BATCH)
            records = [record for record in reply[0][1] if record[1]] if reply else []
            if not records and start == "0":
                reply = await self._redis.xautoclaim(self._orders, GROUP, reader, STUCK_MS, "0-0", count=BATCH)
                records = [record for record in reply[1] if record[1]]
            if records:
                return records
        return []

    async def _fill(self, records: list[Record]) -> None:
        """Raises NotYet if some are left."""
        entries = await self._entries([name for _, fields in records if (name := written_name(fields))])
        texts = [entry.question for entry in entries.values()]
        made = await self._embedder.embed(texts, lane=REFILL, within=EMBEDDED_WITHIN) if texts else []
        found = dict(zip(entries, made, strict=True))
        done = [record for record in records if not _is_left(found.get(written_name(record[1])))]
        vectors = [vector for _, fields in done if (vector := _stored(fields, found)) is not None]
        await self._store(vectors)
        await self._finish([record[0] for record in done], len(vectors))
        if len(done) < len(records):
            raise NotYet

    async def _store(self, vectors: list[StoredVector]) -> None:
        """Stores vectors. One that Qdrant refuses permanently does not block the others."""
        try:
            await self._writer.upsert(vectors)
        except VectorRefused:
            if len(vectors) == 1:
                self._refusals("refill")
                return
            for vector in vectors:
                await self._store([vector])

    async def _finish(self, orders: list[bytes], vectors: int) -> None:
        if orders:
            pipe = self._redis.pipeline(transaction=True)
            pipe.xack(self._orders, GROUP, *orders)
            pipe.xdel(self._orders, *orders)
            pipe.hincrby(self._keys.upkeep, FILLED, vectors)
            await pipe.execute()


def _is_left(embedding: Embedding | None) -> bool:
    return embedding is not None and embedding.unmatched in LATER


def _stored(fields: dict[bytes, bytes], found: dict[str, Embedding]) -> StoredVector | None:
    embedding = found.get(written_name(fields))
    if embedding is None or embedding.vector is None:
        return None
    return stored_vector(written_name(fields), embedding.vector, fields)
