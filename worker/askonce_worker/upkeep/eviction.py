"""Entries leave, in Redis and in Qdrant: what has expired, what nobody asks for, what is too much.

Each batch is one script, which takes an entry with both its clocks out of Redis; its vector follows at once. (Redis
alone would drop an expired entry too, but not its place in the indexes and not its vector.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.scripts import Script

log = structlog.get_logger()

DROP_DUE = Script("askonce_worker.upkeep", "drop_due")
IS_FULL = Script("askonce_worker.upkeep", "is_full")
BATCH = 500


class DeletesVectors(Protocol):
    async def __call__(self, fingerprints: list[str], *, before: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Due:
    """age: how many seconds past its score in the index an entry is due; None: any. keep: so many stay."""

    index: str
    age: float | None = None
    keep: int = 0


class Eviction:
    """max_idle: seconds; max_entries: 0 for no bound. clock: monotonic seconds."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        delete_vectors: DeletesVectors,
        *,
        max_idle: float,
        max_entries: int,
        clock: Callable[[], float],
    ) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._delete_vectors = delete_vectors
        self._max_idle = max(1.0, max_idle)  # the clocks count whole seconds
        self._max_entries = max_entries
        self._clock = clock

    async def run(self, seconds: float) -> bool:
        """Whatever is due, for so long at most. True: there is more."""
        keys = self._keys
        due = {
            "upkeep.expired": Due(keys.expiries, age=0),
            "upkeep.idle": Due(keys.touched, age=self._max_idle),
        }
        if self._max_entries:
            due["upkeep.too_many"] = Due(keys.touched, keep=self._max_entries)
        more = [await self._drop(event, each, seconds / len(due)) for event, each in due.items()]
        return any(more)

    async def relieve(self, seconds: float) -> None:
        """While Redis is nearly full, the entries that were not hit for the longest time go."""
        dropped = 0
        end = self._clock() + seconds
        while await self._is_full() and self._clock() < end:
            batch = await self._batch(Due(self._keys.touched))
            dropped += batch
            if batch == 0:
                log.warning("upkeep.memory", reason="Redis is nearly full, and not with entries of the cache")
                break
        if dropped:
            log.warning("upkeep.memory_freed", entries=dropped)

    async def _drop(self, event: str, due: Due, seconds: float) -> bool:
        dropped = 0
        end = self._clock() + seconds
        while True:
            batch = await self._batch(due)
            dropped += batch
            if batch < BATCH or self._clock() >= end:
                break
        if dropped:
            log.info(event, entries=dropped)
        return batch == BATCH

    async def _batch(self, due: Due) -> int:
        keys = self._keys
        age = "" if due.age is None else int(due.age)
        args = [keys.entry(""), BATCH, age, due.keep]
        now, *names = await DROP_DUE(self._redis, [due.index, keys.touched, keys.expiries], args)
        await self._delete_vectors([name.decode() for name in names], before=now)
        return len(names)

    async def _is_full(self) -> bool:
        return bool(await IS_FULL(self._redis, [], []))
