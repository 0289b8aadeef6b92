"""Counts published answers once a second: publishing itself only leaves a note, with one command instead of a dozen."""

import asyncio
import contextlib

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script
from askonce.tasks import stop

log = structlog.get_logger()

COUNT_FRESH = Script("askonce", "count_fresh")
PERIOD = 1.0
MANY = 1000
"""Answers of this worker that are counted at once: a script that counts more delays other clients of Redis."""


class FreshCounts:
    """Notes left by a killed worker are counted by the next one, or by a reader of the counters."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._noted = 0
        self._many = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def noted(self, notes: int) -> None:
        """notes: how many answers there are to count, and reports of calls."""
        self._noted += notes
        if self._noted >= MANY:
            self._many.set()
        if self._noted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._count_all())

    async def flush(self) -> None:
        """Raises one of TROUBLE."""
        if self._noted:
            await self._count()

    async def aclose(self) -> None:
        if self._task is not None:
            await stop(self._task)

    async def _count_all(self) -> None:
        while self._noted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERIOD):
                    await self._many.wait()
            try:
                await self._count()
            except TROUBLE as error:
                log.warning("counts.not_taken", error=type(error).__name__)
                await asyncio.sleep(PERIOD)

    async def _count(self) -> None:
        noted, self._noted = self._noted, 0
        self._many.clear()
        keys = self._keys
        names = [keys.stats("fresh"), keys.stats("total"), keys.touched]
        try:
            await COUNT_FRESH(self._redis, names, [keys.stats("hour:"), keys.tally("")])
        except BaseException:
            self._noted += noted
            raise
