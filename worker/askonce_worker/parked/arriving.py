"""Batch answers still in the outbox: until Qdrant has them, a rewording would not find them.

Nor are their questions still among the parked ones. So sorting waits for them, but not for long.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis

from askonce.contract.keys import Keys

LOOKING = 1.0
"""Seconds for one wait, during part of which vectors accumulate."""
PATIENCE = 30.0
"""Seconds, roughly, after which a rewording is sorted even if they have not arrived."""
EVERY = 0.05

Position = tuple[int, int]


class Arriving:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis: Any = redis
        self._outbox = keys.outbox
        self._last: Position | None = None
        self._since: float | None = None

    async def note(self) -> None:
        """Marks everything now in the outbox as awaited."""
        newest = await self._redis.xrevrange(self._outbox, count=1)
        self._last = _position(newest[0][0]) if newest else None

    async def are_there(self) -> bool:
        """Whether everything awaited has arrived, or the wait was long enough."""
        began = _now()
        while not await self._have_left():
            self._since = began if self._since is None else self._since
            if _now() - self._since > PATIENCE:
                break
            if _now() - began > LOOKING:
                return False
            await asyncio.sleep(EVERY)
        self._last = self._since = None
        return True

    async def _have_left(self) -> bool:
        """Whether they left the outbox, which keeps what Qdrant has not stored."""
        oldest = await self._redis.xrange(self._outbox, count=1) if self._last is not None else ()
        return self._last is None or not oldest or _position(oldest[0][0]) > self._last


def _position(raw: bytes) -> Position:
    ms, _, number = raw.partition(b"-")
    return int(ms), int(number)


def _now() -> float:
    return asyncio.get_running_loop().time()
