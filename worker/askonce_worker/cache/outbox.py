"""Vectors on their way to Qdrant, drained in batches by whichever worker is free.

An answer and its vector are written to Redis in one transaction. From there the vector reaches Qdrant at least once,
and writing it twice changes nothing. Qdrant may be away for hours: the stream is bounded, and waits.

A batch that fails is tried again in smaller ones: so a slow server is given less at a time, and what it does not take
holds up nothing else.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import numpy as np
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.contract.keys import Keys
from askonce.readable import read_object, text_of, time_of
from askonce.store.away import AWAY, TROUBLE
from askonce.store.scripts import Script
from askonce_worker.answering.ports import Embedder, Entry, SemanticCacheDown, StoredVector, Vector, VectorRefused
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.unreadable import Refusals

log = structlog.get_logger()

DROP_CONSUMERS = Script("askonce_worker.cache", "drop_consumers")
NAME = "outbox"
"""Under which health knows it."""
GROUP = "qdrant"
BATCH = 256
STUCK_MS = 90_000
"""A batch that another worker took is taken over after this time: longer than storing it may take."""
FORGOTTEN_MS = 3_600_000
"""A reader that was silent for this long is gone."""
LONGEST_PAUSE = 15.0

EMBEDDED_WITHIN = 60.0
"""Seconds for which a batch waits for vectors that are still to be made. The sweep orders again what is missing."""

MAX_DIMENSIONS = 65_536
"""As Qdrant has it."""
FINGERPRINT = re.compile(rb"[A-Za-z0-9_-]{43}")

Record = tuple[bytes, dict[bytes, bytes]]


class VectorWriter(Protocol):
    async def upsert(self, vectors: Sequence[StoredVector]) -> None:
        """Raises VectorRefused where one of them is at fault, else SemanticCacheDown."""
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
        health: Is told of errors that will not end by themselves.
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

    async def run(self) -> None:
        """Drains until cancelled. Goes on when Redis and Qdrant are back."""
        pause = 0.0
        await self._make_group()
        with contextlib.suppress(*TROUBLE):
            await DROP_CONSUMERS(self._redis, [self._key], [GROUP, FORGOTTEN_MS])
        while True:
            try:
                await self._drain_one()
                pause = 0.0
                self._health.succeeded(NAME)
            except (SemanticCacheDown, *TROUBLE) as error:
                pause = min(LONGEST_PAUSE, max(0.5, pause * 2))
                self._size = max(1, self._size // 2)
                log.warning("outbox.waiting", cause=type(error).__name__, reason=_reason(error), seconds=pause)
                if not isinstance(error, (SemanticCacheDown, *AWAY)):
                    self._health.failed(NAME)
                if isinstance(error, ResponseError):
                    await self._make_group()
                await asyncio.sleep(pause)

    async def _make_group(self) -> None:
        with contextlib.suppress(*TROUBLE):
            await self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)

    async def _drain_one(self) -> None:
        records = await self._stuck() or await self._fresh() or await self._failed()
        if not records:
            return
        await self._store(records)
        self._size = min(BATCH, self._size * 2)

    async def _store(self, records: list[Record]) -> None:
        vectors = await self._vectors(records)
        for same_size in _by_dimension(vectors):
            await self._write(same_size)
        ids = [record[0] for record in records]
        pipe = self._redis.pipeline(transaction=True)
        pipe.xack(self._key, GROUP, *ids)
        pipe.xdel(self._key, *ids)
        await pipe.execute()
        log.debug("outbox.drained", vectors=len(vectors))

    async def _write(self, vectors: list[StoredVector]) -> None:
        """A vector that Qdrant refuses for good is dropped, and keeps no other out."""
        try:
            await self._writer.upsert(vectors)
        except VectorRefused:
            if len(vectors) == 1:
                self._refusals("outbox")
                return
            for vector in vectors:
                await self._write([vector])

    async def _stuck(self) -> list[Record]:
        reply = await self._redis.xautoclaim(self._key, GROUP, self._worker, STUCK_MS, "0-0", count=self._size)
        return [record for record in reply[1] if record[1]]

    async def _fresh(self) -> list[Record]:
        reply = await self._redis.xreadgroup(GROUP, self._worker, {self._key: ">"}, count=self._size, block=1000)
        return list(reply[0][1]) if reply else []

    async def _failed(self) -> list[Record]:
        """What this worker has taken and Qdrant has not. Comes last, and in turns: no record holds up another."""
        reply = await self._redis.xreadgroup(GROUP, self._worker, {self._key: self._after}, count=self._size)
        records = list(reply[0][1]) if reply else []
        self._after = records[-1][0].decode() if records else "0"
        return [record for record in records if record[1]]

    async def _vectors(self, records: list[Record]) -> list[StoredVector]:
        """The vectors that stand in the records, and those that have to be made first: of answers put in by hand, and
        of those whose vector is another embedding model's."""
        made = await self._embedded([fields for _, fields in records if not self._own_vector(fields)])
        vectors = []
        for _, fields in records:
            fingerprint = _name(fields)
            raw = self._own_vector(fields)
            vector = _floats(raw) if raw else made.get(fingerprint)
            stored = None if vector is None else _stored(fingerprint, vector, fields)
            if stored is not None:
                vectors.append(stored)
            elif raw or vector is not None or not fingerprint:
                self._refusals("outbox")
        return vectors

    def _own_vector(self, fields: dict[bytes, bytes]) -> bytes | None:
        """One of another model must not get into this one's collection: during a rollout both are at work."""
        raw = fields.get(b"vector")
        if not raw:
            return None
        try:
            return raw if read_object(fields[b"record"]).get("embedding") == self._embedding else None
        except (KeyError, ValueError):
            return None

    async def _embedded(self, records: list[dict[bytes, bytes]]) -> dict[str, Vector]:
        entries = await self._entries([name for fields in records if (name := _name(fields))])
        if not entries:
            return {}
        texts = [entry.question for entry in entries.values()]
        found = await self._embedder.embed(texts, within=EMBEDDED_WITHIN)
        return {name: each.vector for name, each in zip(entries, found, strict=True) if each.vector is not None}


def _reason(error: Exception) -> str:
    """What Qdrant says; Redis's errors may quote what they were sent."""
    return str(error)[:200] if isinstance(error, SemanticCacheDown) else ""


def _floats(raw: bytes) -> Vector | None:
    """None for what has no direction, or is not a vector: Qdrant would refuse its whole batch."""
    if len(raw) % 4 or len(raw) > 4 * MAX_DIMENSIONS:
        return None
    vector = np.frombuffer(raw, np.float32)
    return vector if np.isfinite(vector).all() and vector.any() else None


def _name(fields: dict[bytes, bytes]) -> str:
    """The fingerprint, or '' where it is none."""
    name = fields.get(b"fingerprint", b"")
    return name.decode() if FINGERPRINT.fullmatch(name) else ""


def _by_dimension(vectors: list[StoredVector]) -> list[list[StoredVector]]:
    """An upsert is of one collection, and each dimension has its own."""
    batches: dict[int, list[StoredVector]] = {}
    for vector in vectors:
        batches.setdefault(len(vector.vector), []).append(vector)
    return list(batches.values())


def _stored(fingerprint: str, vector: Vector, fields: dict[bytes, bytes]) -> StoredVector | None:
    if not fingerprint:
        return None
    try:
        facts = read_object(fields[b"record"])
        return StoredVector(
            fingerprint=fingerprint,
            vector=vector,
            scope=text_of(facts, "scope"),
            epochs=text_of(facts, "epochs"),
            model=text_of(facts, "model"),
            namespace=text_of(facts, "namespace"),
            created_at=time_of(facts, "created_at"),
            expires_at=time_of(facts, "expires_at"),
        )
    except (KeyError, ValueError):
        return None
