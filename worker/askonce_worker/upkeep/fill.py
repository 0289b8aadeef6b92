"""The sweep for entries without a vector. It orders their embedding, which all workers share (`refill.py`).

This restores lost vectors, and fills the collection of a new embedding model or dimension from the questions in the
entries. Once a whole pass finds none missing, the collections of earlier models are dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.upkeep.fitting import GRACE, fitting
from askonce_worker.upkeep.progress import Progress
from askonce_worker.upkeep.refill_news import RefillNews
from askonce_worker.upkeep.vectors import Vectors

log = structlog.get_logger()

PAGE = 128
MOST_ORDERED = 16_384
"""Maximum waiting orders: enough to last from one run to the next."""
ORDERS_KEPT = 86_400
"""Seconds since the last order after which orders expire, for an embedding model no longer in use."""


@dataclass(slots=True)
class Filling:
    """checked, missing: in this pass, among entries that belong there; before: missing in the last pass. filled: a
    whole pass found none missing, except those the embedding model makes no vector of."""

    cursor: int = 0
    checked: int = 0
    missing: int = 0
    before: int = 0
    filled: bool = False


def name_of(collection: str) -> str:
    """The name under which a Filling is stored."""
    return f"fill:{collection}"


class Fill:
    """embedding: id of the embedding model; max_tokens: its limit for one text. grace: seconds. clock: monotonic
    seconds."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        vectors: Vectors,
        news: RefillNews,
        *,
        embedding: str,
        max_tokens: int,
        clock: Callable[[], float],
        grace: float = GRACE,
    ) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._vectors = vectors
        self._news = news
        self._embedding = embedding
        self._orders = keys.refill(embedding)
        self._max_tokens = max_tokens
        self._clock = clock
        self._grace = grace
        self._progress = Progress(redis, keys)

    async def run(self, seconds: float) -> bool:
        """True while there is room for more orders. A pass begins when those of the last one are done; otherwise they
        would be given twice."""
        waiting = await self._redis.xlen(self._orders)
        current = await self._vectors.current()
        name = name_of(current or self._embedding)
        state = await self._progress.load(name, Filling)
        if waiting > MOST_ORDERED - PAGE or (waiting and state.cursor == 0):
            return False
        end = self._clock() + seconds
        if state.cursor == 0:
            state.checked, state.missing, state.before = 0, 0, state.missing
        ordered = await self._pages(state, current, MOST_ORDERED - waiting, end)
        await self._progress.save(name, state)
        if state.filled and current is not None:
            await self._news.ends(current)
            for dropped in await self._vectors.drop_others(current):
                log.info("upkeep.collection_dropped", collection=dropped, now=current)
        return ordered > 0 and state.cursor != 0

    async def _pages(self, state: Filling, current: str | None, room: int, end: float) -> int:
        """Runs pages of the pass while there is room and time; only one if hardly any vectors are missing.

        Returns how many were ordered.
        """
        ordered = 0
        while True:
            missing = await self._page(state, current)
            ordered += missing
            if state.cursor == 0:
                is_done = state.missing == 0 or state.missing == state.before < state.checked
                state.filled = current is not None and is_done
                return ordered
            is_quiet = state.filled and missing < PAGE // 2
            if is_quiet or ordered > room - PAGE or self._clock() >= end:
                return ordered

    async def _page(self, state: Filling, current: str | None) -> int:
        state.cursor, found = await self._redis.zscan(self._keys.touched, state.cursor, count=PAGE)
        names = [name.decode() for name, _ in found]
        begun = await fitting(self._redis, self._keys, names, max_tokens=self._max_tokens, grace=self._grace)
        absent = await self._vectors.absent(current, {name: each.head.expires_at for name, each in begun.items()})
        if 2 * len(absent) > len(begun):
            share = len(absent) / len(found)
            sample = [begun[name] for name in absent]
            await self._news.begins(current, sample, share * await self._redis.zcard(self._keys.touched))
        await self._order({name: begun[name].head.record for name in absent})
        state.checked += len(begun)
        state.missing += len(absent)
        if absent:
            log.info("upkeep.embed_again", collection=current, entries=len(absent))
        return len(absent)

    async def _order(self, records: dict[str, bytes]) -> None:
        if records:
            pipe = self._redis.pipeline(transaction=False)
            for name, record in records.items():
                pipe.xadd(self._orders, {"fingerprint": name, "record": record})
            pipe.expire(self._orders, ORDERS_KEPT)
            await pipe.execute()
