"""The sweep over all vectors: removes those whose entry is gone. (They cannot be hit: every hit reads its entry.)"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.upkeep.heads import beginnings
from askonce_worker.upkeep.progress import Progress
from askonce_worker.upkeep.vectors import Vectors

log = structlog.get_logger()

PAGE = 500


@dataclass(slots=True)
class SweepState:
    """start: the first point of the next page."""

    start: str | None = None


class OrphanSweep:
    """Takes a page a run, and more while it finds orphans. clock: monotonic seconds."""

    def __init__(self, redis: Redis, keys: Keys, vectors: Vectors, *, clock: Callable[[], float]) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._vectors = vectors
        self._clock = clock
        self._progress = Progress(redis, keys)

    async def run(self, seconds: float) -> bool:
        more = False
        end = self._clock() + seconds
        for collection in await self._vectors.collections():
            state = await self._progress.load(f"orphans:{collection}", SweepState)
            dropped = 0
            while True:
                page = await self._vectors.page(collection, state.start, PAGE)
                state.start = page.following
                orphans = await self._drop_orphans(page.fingerprints)
                dropped += orphans
                if orphans == 0 or state.start is None or self._clock() >= end:
                    break
            await self._progress.save(f"orphans:{collection}", state)
            more = more or orphans > 0
            if dropped:
                log.info("upkeep.orphans", collection=collection, vectors=dropped)
        return more

    async def _drop_orphans(self, fingerprints: Sequence[str]) -> int:
        """A vector created after the time that was read may belong to an entry that was not checked, so it stays."""
        now, begins = await beginnings(self._redis, self._keys, fingerprints, 1)
        orphans = [name for name, begin in zip(fingerprints, begins, strict=True) if not begin]
        await self._vectors.delete(orphans, before=now)
        return len(orphans)
