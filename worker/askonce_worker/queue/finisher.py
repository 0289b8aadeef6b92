"""Ends leases: all jobs that end during one round trip to Redis are sent together in the next."""

import asyncio

import structlog

from askonce.store.away import TROUBLE
from askonce_worker.queue.job_outcomes import Bury, Done, JobOutcome, Return, Split
from askonce_worker.queue.lease_keeper import LeaseKeeper
from askonce_worker.queue.leases import MOST_AT_ONCE, Leases

log = structlog.get_logger()


class Finisher:
    """Retries until Redis accepts. Ending a lease twice has no effect, so a lost reply does no harm."""

    def __init__(self, leases: Leases, keeper: LeaseKeeper) -> None:
        self._leases = leases
        self._keeper = keeper
        self._waiting: list[JobOutcome] = []
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, outcome: JobOutcome) -> None:
        self._waiting.append(outcome)
        self._empty.clear()
        self._news.set()

    async def drained(self) -> None:
        await self._empty.wait()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                batch = self._waiting[:MOST_AT_ONCE]
                await self._until_sent(batch)
                del self._waiting[: len(batch)]
            self._empty.set()

    async def _until_sent(self, batch: list[JobOutcome]) -> None:
        failures = 0
        while True:
            try:
                await self._send(batch)
                return
            except TROUBLE as error:
                failures += 1
                if failures == 1:
                    log.warning("jobs.finish_delayed", jobs=len(batch), error=type(error).__name__)
                    self._keeper.doubt()
                await asyncio.sleep(min(1.0, 0.02 * 2**failures))

    async def _send(self, batch: list[JobOutcome]) -> None:
        done = [item for item in batch if isinstance(item, Done) and not item.job.end.done]
        returns = [item for item in batch if isinstance(item, Return)]
        if done:
            await self._leases.finish(done)
        if returns:
            await self._leases.give_back(returns)
        for item in batch:
            if isinstance(item, Split | Bury):
                await self._send_one(item)
            self._keeper.forget(item.job)

    async def _send_one(self, item: Split | Bury) -> None:
        facts = {"chunk": item.job.job, "lane": item.job.lane, "lapses": item.job.lapses, "failures": item.job.failures}
        if isinstance(item, Split):
            if await self._leases.split(item):
                log.warning("job.split", parts=len(item.parts), **facts)
        elif await self._leases.bury(item):
            log.error("job.dead", cause=item.cause, questions=item.job.questions, **facts)
