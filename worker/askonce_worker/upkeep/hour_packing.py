"""Packs the counters of hours that are over, so that a month of them stays small.

A live hour takes about 3 kB per active namespace and model, and is not evictable. Packed, it takes a tenth of that in a
bucket that lives two days, and the same again in its day's bucket, which all 24 hours share.
"""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.contract.packed_counters import day_of, live_hour, packed_day, packed_hour
from askonce.store.scripts import Script

PACK_HOUR = Script("askonce_worker.upkeep", "pack_hour")
EVERY = 60.0
"""Seconds between checks for a finished hour."""
KEPT_HOURS = 40 * 24
"""How far back unpacked hours may be found: earlier releases kept them for 40 days."""
HOUR_TTL = 49 * 3600
DAY_TTL = 41 * 86_400
BATCH = 500
"""Counters in one script call."""


class HourPacking:
    """clock: monotonic seconds."""

    def __init__(self, redis: Redis, keys: Keys, *, clock: Callable[[], float]) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._clock = clock
        self._next_look = 0.0

    async def run(self, seconds: float) -> bool:
        """Packs for at most `seconds`. True: there is more."""
        began = self._clock()
        if began < self._next_look:
            return False
        for hour in await self._closed_hours():
            while await self._pack(hour) > 0:
                if self._clock() - began > seconds:
                    return True
        self._next_look = began + EVERY
        return False

    async def _closed_hours(self) -> list[int]:
        """Finished hours not packed yet, newest first."""
        now = int((await self._redis.time())[0]) // 3600
        hours = range(now - 1, now - KEPT_HOURS - 1, -1)
        names = [self._keys.stats(live_hour(hour)) for hour in hours]
        if not await self._redis.exists(*names):
            return []
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.exists(name)
        return [hour for hour, found in zip(hours, await pipe.execute(), strict=True) if found]

    async def _pack(self, hour: int) -> int:
        """Packs part of an hour; returns how many counters are left in it."""
        keys = [self._keys.stats(name) for name in (live_hour(hour), packed_hour(hour), packed_day(day_of(hour)))]
        left: int = await PACK_HOUR(self._redis, keys, [hour, BATCH, HOUR_TTL, DAY_TTL])
        return left
