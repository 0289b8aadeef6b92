"""Renews a worker's leases and heartbeat, and notices when Redis is away for too long."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import structlog

from askonce.store.away import TROUBLE
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Leases

log = structlog.get_logger()


OTHERS_RENEW = 1.5
"""Seconds after Redis is back during which workers renew and none claims. An earlier claim would take jobs of live
workers. (A worker that cannot renew retries once a second.)"""


class RedisAway(Exception):
    """Redis has been away for longer than a worker waits."""


class LeaseKeeper:
    """Renews until Redis has been away for `away_limit` seconds.

    A worker that cannot renew lets its jobs continue, even past their leases. That is harmless: a result only replaces
    a pending marker, and finishing is fenced. Their LLM calls are already paid for, and only Redis knows whether a
    lease was lost: while it is away for all workers, none can claim. The first renewal afterwards shows which are lost,
    and only those are cancelled. Until then, nothing new is claimed.

    Args:
        away_limit: seconds.
        on_lost: called with each job that another worker has claimed.
    """

    def __init__(self, leases: Leases, *, away_limit: float, on_lost: Callable[[LeasedJob], None]) -> None:
        self._leases = leases
        self._away_limit = away_limit
        self._on_lost = on_lost
        self._stale_after = leases.lease * 2 / 3
        self._held: dict[tuple[str, str], LeasedJob] = {}
        self._renewed = -float("inf")
        self._beat = asyncio.Event()
        self._due = asyncio.Event()

    def hold(self, jobs: Iterable[LeasedJob]) -> None:
        self._held.update((job.key, job) for job in jobs)

    def forget(self, job: LeasedJob) -> None:
        self._held.pop(job.key, None)

    def doubt(self) -> None:
        """Renews at once; `fresh` waits for it."""
        self._renewed = -float("inf")
        self._due.set()

    @property
    def is_fresh(self) -> bool:
        """Whether the leases were renewed recently. False after this process was suspended for a while."""
        return time.monotonic() - self._renewed < self._stale_after

    async def fresh(self) -> None:
        while not self.is_fresh:
            self._beat.clear()
            await self._beat.wait()

    async def run(self) -> None:
        """Renews every third of a lease. Raises RedisAway."""
        heard = time.monotonic()
        others_renew_until = 0.0
        failures = 0
        while True:
            self._due.clear()
            began = time.monotonic()
            try:
                await self._renew()
            except TROUBLE as error:
                failures += 1
                self._still_away(error, failures, time.monotonic() - heard)
                await asyncio.sleep(min(1.0, 0.02 * 2**failures))
                continue
            now = time.monotonic()
            if failures:
                log.info("redis.back", seconds=round(now - heard, 1))
            if now - heard > self._stale_after:
                others_renew_until = now + OTHERS_RENEW
            heard, failures = now, 0
            left = others_renew_until - now
            if left <= 0:
                self._renewed = began
                self._beat.set()
            await self._pause(left if left > 0 else self._leases.lease)

    async def _renew(self) -> None:
        asked = list(self._held.values())
        for job in await self._leases.renew(asked):
            # A job that has finished meanwhile, or is about to, is not lost.
            if job.end.under_way or job.end.done:
                continue
            if self._held.pop(job.key, None) is not None:
                self._on_lost(job)

    def _still_away(self, error: BaseException, failures: int, seconds: float) -> None:
        if failures == 1:
            log.warning("redis.away", error=type(error).__name__)
        if seconds > self._away_limit:
            raise RedisAway(f"Redis has not answered for {seconds:.0f} s") from error

    async def _pause(self, most: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(most, self._leases.lease / 3)):
                await self._due.wait()
