"""The outbox of vectors for Qdrant, drained in batches by whichever worker is free.

An answer and its vector are written to Redis in one transaction. From there the vector reaches Qdrant at least once,
and writing it twice changes nothing. Qdrant may be away for hours: the stream is bounded, and waits.

A failed batch is retried in smaller ones, so a slow server gets less at a time, and records it does not accept hold up
no others. Records that a failed try stored anyway, because its reply was lost or late, are not sent again.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.contract.keys import Keys
from askonce.store.away import AWAY, TROUBLE
from askonce.store.scripts import Script
from askonce_worker.answering.ports import Embedder, Entry, SemanticCacheDown, StoredVector, Vector, VectorRefused
from askonce_worker.cache.outbox_records import (
    Fields,
    Record,
    by_dimension,
    floats_of,
    own_vector,
    stored_vector,
    written_name,
)
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.unreadable import Refusals

log = structlog.get_logger()

DROP_CONSUMERS = Script("askonce_worker.cache", "drop_consumers")
NAME = "outbox"
"""Its name in the health registry."""
GROUP = "qdrant"
BATCH = 256
GATHERED = 0.2
"""Seconds for which a few vectors wait for more. Until Qdrant has a vector, its answer is found among the questions in
flight."""
STUCK_MS = 90_000
"""Time after which a batch is taken over from another worker: longer than storing it may take."""
FORGOTTEN_MS = 3_600_000
"""A reader that was silent for this long counts as gone."""
LONGEST_PAUSE = 15.0

EMBEDDED_WITHIN = 60.0
"""Seconds for which a batch waits for missing vectors to be made. The sweep reorders any that are still missing."""


class VectorWriter(Protocol):
    async def upsert(self, vectors: Sequence[StoredVector]) -> None:
        """Raises VectorRefused if one of them is at fault, else SemanticCacheDown."""
        ...

    async def missing(self, vectors: Sequence[StoredVector]) -> list[StoredVector]:
        """The vectors that are not stored in this form. All have one dimension. Raises SemanticCacheDown."""
        ...


class Outbox:
    """Drains the outbox.

    Args:
        redis: A connection of its own: its reads block.
        keys: Names of the keys.
        writer: Qdrant.
        embedder: Makes the vectors that are missing.
        entries: Reads entries by their fingerprints.
        worker: This worker's name.
        embedding: The model of the embedder.
        refusals: Counts what is dropped.
        health: Notified of errors that will not resolve by themselves.
    """

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
        health: PartHealth | None = None,
    ) -> None:
        self._redis = redis
        self._key = keys.outbox
        self._writer = writer
        self._embedder = embedder
        self._entries = entries
        self._worker = worker
        self._embedding = embedding
        self._refusals = refusals or Refusals()
        self._health = health or PartHealth()
        self._size = BATCH
        self._after = "0"
        self._is_behind = True
        self._next_look = 0.0

    async def run(self) -> None:
        """Drains until cancelled. Continues when Redis and Qdrant are back."""
        pause = 0.0
        await self._make_group()
        with contextlib.suppress(*TROUBLE):
            await DROP_CONSUMERS(self._redis, [self._key], [GROUP, FORGOTTEN_MS])
        while True:
            try:
                drained = await self._drain_one()
                pause = 0.0
                self._health.succeeded(NAME)
                if 0 < drained < BATCH and not self._is_behind:
                    await asyncio.sleep(GATHERED)
            except (SemanticCacheDown, *TROUBLE) as error:
                pause = min(LONGEST_PAUSE, max(0.5, pause * 2))
                self._size, self._is_behind = max(1, self._size // 2), True
                log.warning("outbox.waiting", cause=type(error).__name__, reason=_reason(error), seconds=pause)
                if not isinstance(error, (SemanticCacheDown, *AWAY)):
                    self._health.failed(NAME)
                if isinstance(error, ResponseError):
                    await self._make_group()
                await asyncio.sleep(pause)

    async def _make_group(self) -> None:
        with contextlib.suppress(*TROUBLE):
            await self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)

    async def _drain_one(self) -> int:
        """Drains one batch; returns how many records it took."""
        tried = await self._stuck()
        fresh = [] if tried else await self._fresh()
        if not fresh:
            tried = tried or await self._failed()
        if fresh or tried:
            await self._store(fresh or tried, tried=bool(tried))
            # Not double: if the server has a limit, every second batch would exceed it.
            self._size = min(BATCH, self._size + max(1, self._size // 4))
        return len(fresh or tried)

    async def _store(self, records: list[Record], *, tried: bool) -> None:
        """tried: they were sent before, perhaps successfully."""
        vectors = await self._vectors(records)
        for same_size in by_dimension(vectors):
            await self._write(await self._writer.missing(same_size) if tried else same_size)
        ids = [record[0] for record in records]
        pipe = self._redis.pipeline(transaction=True)
        pipe.xack(self._key, GROUP, *ids)
        pipe.xdel(self._key, *ids)
        await pipe.execute()
        log.debug("outbox.drained", vectors=len(vectors))

    async def _write(self, vectors: list[StoredVector]) -> None:
        """Drops a vector that Qdrant refuses permanently, so that it does not block others."""
        try:
            await self._writer.upsert(vectors)
        except VectorRefused:
            if len(vectors) == 1:
                self._refusals("outbox")
                return
            for vector in vectors:
                await self._write([vector])

    async def _stuck(self) -> list[Record]:
        """Records that other workers took long ago. Checked now and then, and repeatedly while there are some."""
        now = time.monotonic()
        if now < self._next_look:
            return []
        reply = await self._redis.xautoclaim(self._key, GROUP, self._worker, STUCK_MS, "0-0", count=self._size)
        self._next_look = now if reply[1] else now + STUCK_MS / 10_000
        return [record for record in reply[1] if record[1]]

    async def _fresh(self) -> list[Record]:
        """New records. Waits for them, unless others are due for a retry."""
        wait = None if self._is_behind else 1000
        reply = await self._redis.xreadgroup(GROUP, self._worker, {self._key: ">"}, count=self._size, block=wait)
        return list(reply[0][1]) if reply else []

    async def _failed(self) -> list[Record]:
        """Records this worker took but Qdrant did not accept. They come last and take turns, so that none holds up
        another."""
        reply = await self._redis.xreadgroup(GROUP, self._worker, {self._key: self._after}, count=self._size)
        records = list(reply[0][1]) if reply else []
        self._after = records[-1][0].decode() if records else "0"
        self._is_behind = bool(records)
        return [record for record in records if record[1]]

    async def _vectors(self, records: list[Record]) -> list[StoredVector]:
        """The vectors in the records, and those that must be made first: for answers stored by clients, and for vectors
        of another embedding model."""
        made = await self._embedded([fields for _, fields in records if not own_vector(fields, self._embedding)])
        vectors = []
        for _, fields in records:
            fingerprint = written_name(fields)
            raw = own_vector(fields, self._embedding)
            vector = floats_of(raw) if raw else made.get(fingerprint)
            stored = None if vector is None else stored_vector(fingerprint, vector, fields)
            if stored is not None:
                vectors.append(stored)
            elif raw or vector is not None or not fingerprint:
                self._refusals("outbox")
        return vectors

    async def _embedded(self, records: list[Fields]) -> dict[str, Vector]:
        entries = await self._entries([name for fields in records if (name := written_name(fields))])
        if not entries:
            return {}
        texts = [entry.question for entry in entries.values()]
        found = await self._embedder.embed(texts, within=EMBEDDED_WITHIN)
        return {name: each.vector for name, each in zip(entries, found, strict=True) if each.vector is not None}


def _reason(error: Exception) -> str:
    """Qdrant's own words. Redis errors may quote what was sent, so they are left out."""
    return str(error)[:200] if isinstance(error, SemanticCacheDown) else ""
