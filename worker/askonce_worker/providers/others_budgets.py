"""Counts what a worker spends in namespaces that have a budget only in the settings of other workers, as in a rollout.

It makes its calls all the same, but those who know of the budget see what is left. Added up for a second: a killed
worker loses as much.
"""

import asyncio
from contextlib import suppress

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script

log = structlog.get_logger()

COUNT = Script("askonce_worker.providers", "count_spent")

PAUSE = 1.0


class OthersBudgets:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.budgets.sums
        self._spent: dict[str, int] = {}
        self._told: set[str] = set()
        self._closing = asyncio.Event()
        self._counting: asyncio.Task[None] | None = None

    def spent(self, namespace: str, nano: int) -> None:
        """Counts a call, in the background. nano: billionths."""
        if not nano or not namespace:
            return
        self._spent[namespace] = self._spent.get(namespace, 0) + nano
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count())

    async def aclose(self) -> None:
        self._closing.set()
        if self._counting is not None:
            await asyncio.wait({self._counting})

    async def _count(self) -> None:
        while self._spent:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._closing.wait()
            spent, self._spent = self._spent, {}
            try:
                bounded = await COUNT(self._redis, [self._key], [part for pair in spent.items() for part in pair])
            except TROUBLE as error:
                if self._closing.is_set():
                    log.warning("budget.not_counted", cause=type(error).__name__)
                    return
                for namespace, nano in spent.items():  # twice, if only the reply was lost: never too little
                    self._spent[namespace] = self._spent.get(namespace, 0) + nano
                continue
            for namespace in {name.decode() for name in bounded} - self._told:
                self._told.add(namespace)
                log.warning("budget.of_others", namespace=namespace, reason="ASKONCE_BUDGETS of this worker lacks it")
