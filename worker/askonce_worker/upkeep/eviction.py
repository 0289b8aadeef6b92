"""Evicts entries from Redis and Qdrant: expired ones, long unused ones, and those above the bound.

Each batch is one script, which removes an entry and both its clocks from Redis. Its vector is deleted right after.
(Redis itself would drop an expired entry, but neither its rows in the indexes nor its vector.)
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
BATCH = 500


class DeletesVectors(Protocol):
    async def __call__(self, fingerprints: list[str], *, before: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Due:
    """age: seconds past its score in the index after which an entry is due; None: any. keep: how many to keep."""

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
        """Drops due entries, for at most this many seconds. True: there are more."""
        keys = self._keys
        due = {
            "upkeep.expired": Due(keys.expiries, age=0),
            "upkeep.idle": Due(keys.touched, age=self._max_idle),
        }
        if self._max_entries:
            due["upkeep.too_many"] = Due(keys.touched, keep=self._max_entries)
        more = [await self._drop(event, each, seconds / len(due)) for event, each in due.items()]
        return any(more)

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
