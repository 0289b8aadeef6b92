"""What the judge has said and what that cost, over all workers: in Redis."""

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
    """budget: money a day."""

    def __init__(self, redis: Redis, keys: Keys, *, budget: float) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._budget = budget

    async def verdicts(self, pairs: Sequence[str]) -> list[bool | None]:
        """What it said of each pair (`Compared.id`) before; None where it was not asked."""
        known: list[bytes | None] = await self._redis.hmget(self._keys.audit.verdicts, list(pairs))
        return [None if said is None else said == SAME for said in known]

    async def reserve(self, cost: float) -> bool:
        """Whether a call that may cost so much may be made."""
        return bool(await RESERVE(self._redis, [], [self._keys.audit.judge(""), self._budget, cost, KEPT]))

    async def settle(self, figures: Mapping[str, float], said: Mapping[str, bool]) -> None:
        """figures: what is added to each; of `cost` what differs from what was reserved."""
        args: list[Any] = [self._keys.audit.judge(""), KEPT, MOST_VERDICTS, len(figures)]
        for name, count in figures.items():
            args += [name, count]
        for pair, same in said.items():
            args += [pair, SAME if same else DIFFERENT]
        await SETTLE(self._redis, [self._keys.audit.verdicts], args)
