"""Claims suspects: jobs whose workers died twice. They run one at a time in a separate process."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog

from askonce.store.away import TROUBLE
from askonce_worker.queue.lease_keeper import LeaseKeeper
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Leases
from askonce_worker.queue.running_jobs import RunningJobs

log = structlog.get_logger()

POLL = 0.2
IDLE = 5.0
"""Seconds without a suspect after which the process exits."""


class SuspectClaimer:
    """start: runs a job. release: hands a job back that will not be started."""

    def __init__(
        self,
        leases: Leases,
        keeper: LeaseKeeper,
        running: RunningJobs,
        *,
        start: Callable[[LeasedJob], None],
        release: Callable[[LeasedJob], None],
    ) -> None:
        self._leases = leases
        self._keeper = keeper
        self._running = running
        self._start = start
        self._release = release
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """`run` returns soon."""
        self._stopped.set()

    def slot_freed(self) -> None:
        """Does nothing: the next suspect waits until this one has ended, even if it leaves its slot earlier."""

    async def run(self) -> None:
        last = time.monotonic()
        while not self._stopped.is_set() and time.monotonic() - last < IDLE:
            job = await self._claim()
            if job is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._stopped.wait()
                continue
            self._keeper.hold([job])
            if self._stopped.is_set():
                self._release(job)
                return
            log.warning("suspect.started", chunk=job.job, lane=job.lane, lapses=job.lapses)
            self._start(job)
            await self._running.idle()
            last = time.monotonic()

    async def _claim(self) -> LeasedJob | None:
        await self._keeper.fresh()
        try:
            claim = await self._leases.claim_suspect()
        except TROUBLE as error:
            log.warning("claim.failed", error=type(error).__name__)
            self._keeper.doubt()
            return None
        return claim.jobs[0] if claim.jobs else None

    async def listen(self) -> None:
        """Does nothing: there are no wake-ups for suspects. A worker that sees some starts this process."""
