"""The sweep for entries without a vector: it orders their embedding, a few at a time, through the outbox.

So lost vectors come back, and the collection of a new embedding model or dimension is filled from the questions in the
entries. Once a whole pass has found none missing, the collections of earlier models are dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.providers.embedding_reply import SPECIAL_TOKENS
from askonce_worker.upkeep.heads import beginnings
from askonce_worker.upkeep.progress import Progress
from askonce_worker.upkeep.rules import HEAD_BYTES, Head, question_bytes, read_head
from askonce_worker.upkeep.vectors import Vectors

log = structlog.get_logger()

PAGE = 64
"""About how many embeddings one run orders. New questions need the same embedding server."""
GRACE = 600
"""Seconds for which the vector of a new entry may still be on its way."""


@dataclass(slots=True)
class Filling:
    """checked, missing: of this pass, among those that belong in there; before: what the last pass missed. filled: a
    whole pass has found none missing, or those alone of which the embedding model makes no vector."""

    cursor: int = 0
    checked: int = 0
    missing: int = 0
    before: int = 0
    filled: bool = False


def name_of(collection: str) -> str:
    """The name under which a Filling is kept."""
    return f"fill:{collection}"


class Fill:
    """model: of the embeddings; max_tokens: its limit for one text. grace: seconds. clock: monotonic seconds."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        vectors: Vectors,
        *,
        model: str,
        max_tokens: int,
        clock: Callable[[], float],
        grace: float = GRACE,
    ) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._vectors = vectors
        self._model = model
        self._max_tokens = max_tokens
        self._clock = clock
        self._grace = grace
        self._progress = Progress(redis, keys)

    async def run(self, seconds: float) -> bool:
        """Always False: further embeddings are left to the next run."""
        if await self._redis.xlen(self._keys.outbox) >= PAGE:
            return False  # what was ordered is not done yet
        current = await self._vectors.current()
        name = name_of(current or self._model)
        state = await self._progress.load(name, Filling)
        end = self._clock() + seconds
        if state.cursor == 0:
            state.checked, state.missing, state.before = 0, 0, state.missing
        while True:
            ordered = await self._page(state, current)
            if state.cursor == 0:
                state.filled = current is not None and (state.missing == 0 or await self._is_stuck(state))
                break
            if state.filled or ordered >= PAGE // 2 or self._clock() >= end:
                break
        await self._progress.save(name, state)
        if state.filled and current is not None:
            for dropped in await self._vectors.drop_others(current):
                log.info("upkeep.collection_dropped", collection=dropped, now=current)
        return False

    async def _is_stuck(self, state: Filling) -> bool:
        """Whether what is missing was missing before, and ordered. (If all entries are: the model is away.)"""
        same = state.missing == state.before < state.checked
        return same and bool(await self._redis.xlen(self._keys.outbox) <= state.missing)

    async def _page(self, state: Filling, current: str | None) -> int:
        state.cursor, names = await self._redis.zscan(self._keys.touched, state.cursor, count=PAGE)
        heads = await self._heads([name.decode() for name, _ in names])
        expiries = {name: head.expires_at for name, head in heads.items()}
        absent = list(heads) if current is None else await self._vectors.absent(current, expiries)
        for name in absent:
            fields = {"fingerprint": name, "vector": b"", "record": heads[name].record}
            await self._redis.xadd(self._keys.outbox, fields)
        state.checked += len(heads)
        state.missing += len(absent)
        if absent:
            log.info("upkeep.embed_again", collection=current, entries=len(absent))
        return len(absent)

    async def _heads(self, names: Sequence[str]) -> dict[str, Head]:
        """Those that belong into the semantic cache, and are old enough to be there."""
        if not names:
            return {}
        size = HEAD_BYTES + 6 * self._max_tokens  # a letter takes at most six bytes in JSON
        now, begins = await beginnings(self._redis, self._keys, names, size)
        heads = {name: read_head(begin) for name, begin in zip(names, begins, strict=True) if self._fits(begin)}
        return {
            name: head
            for name, head in heads.items()
            if head is not None and head.semantic and head.created_at <= now - self._grace
        }

    def _fits(self, begin: bytes) -> bool:
        """Whether the question of an entry can have a vector."""
        size = question_bytes(begin)
        return size is None or size + SPECIAL_TOKENS <= self._max_tokens
