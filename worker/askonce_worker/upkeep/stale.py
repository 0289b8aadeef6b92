"""The sweep over all entries: removes those that are invalid, retired or superseded, and index rows without an entry.

Invalidation takes effect without a sweep; the sweep only frees the memory. It usually takes a page at a time. If epochs
or models have changed since the last whole pass, it continues for as long as it may.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.scripts import Script
from askonce_worker.upkeep.eviction import DeletesVectors
from askonce_worker.upkeep.heads import beginnings
from askonce_worker.upkeep.progress import Progress
from askonce_worker.upkeep.rules import HEAD_BYTES, Validity, read_head, read_question

log = structlog.get_logger()

DROP_ENTRIES = Script("askonce_worker.upkeep", "drop_entries")
NAME = "stale"
PAGE = 500


@dataclass(slots=True)
class Pass:
    """started: the validity when the pass began; done: that of the last whole pass."""

    cursor: int = 0
    started: str = ""
    done: str = ""


class StaleSweep:
    """superseded: by model, the snapshots whose entries must go. retired: models. never: questions whose answers are
    not cached; detected if the question is within the first HEAD_BYTES. clock: monotonic seconds."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        delete_vectors: DeletesVectors,
        superseded: Callable[[], Awaitable[dict[str, frozenset[str]]]],
        *,
        retired: Iterable[str],
        never: re.Pattern[str] | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._delete_vectors = delete_vectors
        self._superseded = superseded
        self._retired = frozenset(retired)
        self._never = never
        self._clock = clock
        self._progress = Progress(redis, keys)

    async def run(self, seconds: float) -> bool:
        state = await self._progress.load(NAME, Pass)
        validity = await self._validity()
        now, end = validity.digest, self._clock() + seconds
        urgent = state.done != now
        if state.cursor == 0:
            state.started = now
        found: Counter[str] = Counter()
        while True:
            state.cursor, names = await self._redis.zscan(self._keys.touched, state.cursor, count=PAGE)
            found += await self._sweep([name.decode() for name, _ in names], validity)
            if state.cursor == 0:
                state.done = state.started
                break
            if not urgent or self._clock() >= end:
                break
        await self._progress.save(NAME, state)
        if found:
            log.info("upkeep.swept", **found)
        return urgent and state.done != now

    async def _validity(self) -> Validity:
        superseded = await self._superseded()
        epochs = await self._redis.hgetall(self._keys.epochs)
        counters = {field.decode(): int(count) for field, count in epochs.items()}
        return Validity(counters, self._retired, superseded, self._never)

    async def _sweep(self, names: Sequence[str], validity: Validity) -> Counter[str]:
        found: Counter[str] = Counter()
        if not names:
            return found
        _, begins = await beginnings(self._redis, self._keys, names, HEAD_BYTES)
        going: list[str | bytes] = []
        for name, begin in zip(names, begins, strict=True):
            head = read_head(begin)
            if head is None:
                reason = None if begin else "vanished"
            else:
                reason = validity.objection(head, read_question(begin) or "")
            if reason is not None:
                found[reason] += 1
                going += (name, head.raw if head is not None else b"")
        await self._drop(going)
        return found

    async def _drop(self, going: Sequence[str | bytes]) -> None:
        if going:
            keys = [self._keys.touched, self._keys.expiries]
            now, *dropped = await DROP_ENTRIES(self._redis, keys, [self._keys.entry(""), *going])
            await self._delete_vectors([name.decode() for name in dropped], before=now)
