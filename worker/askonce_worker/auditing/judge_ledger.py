"""The judge's verdicts and their cost, over all workers, in Redis."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.scripts import Script
from askonce_worker.auditing.recorder import KEPT

RESERVE = Script("askonce_worker.auditing", "reserve_judging")
SETTLE = Script("askonce_worker.auditing", "settle_judging")

MOST_VERDICTS = 100_000
SAME, DIFFERENT = b"same", b"different"


class JudgeLedger:
    """budget: money a day. remembered: the key of what it has said."""

    def __init__(self, redis: Redis, keys: Keys, *, budget: float, remembered: str) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._budget = budget
        self._remembered = remembered

    async def verdicts(self, pairs: Sequence[str]) -> list[bool | None]:
        """Earlier verdicts on each pair; None if it was not asked."""
        known: list[bytes | None] = await self._redis.hmget(self._remembered, list(pairs))
        return [None if said is None else said == SAME for said in known]

    async def reserve(self, cost: float) -> int | None:
        """Reserves a call with this maximum cost; returns its day, or None if it may not be made."""
        day = await RESERVE(self._redis, [], [self._keys.audit.judge(""), self._budget, cost, KEPT])
        return int(day) or None

    async def settle(self, figures: Mapping[str, float], said: Mapping[str, bool], *, day: int | None = None) -> None:
        """figures: what is added to each; of `cost` what differs from what was reserved. day: when it was, or today."""
        args: list[Any] = [self._keys.audit.judge(""), "" if day is None else day, KEPT, MOST_VERDICTS, len(figures)]
        for name, count in figures.items():
            args += [name, count]
        for pair, same in said.items():
            args += [pair, SAME if same else DIFFERENT]
        await SETTLE(self._redis, [self._remembered], args)
