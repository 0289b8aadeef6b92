"""Decides when to claim: on a wake-up, when a slot is freed while jobs wait, and once a second in any case."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from askonce.store.away import TROUBLE
from askonce_worker.queue.flow import Flow
from askonce_worker.queue.keeper import Keeper
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Claim, Leases
from askonce_worker.queue.running_jobs import RunningJobs
from askonce_worker.queue.tries import ALONE_AFTER

log = structlog.get_logger()

POLL = 1
"""Seconds. The fallback: for wake-ups that got lost, retries that fall due and leases that lapse."""


class Claimer:
    """start: runs a job, in a slot. release: hands back one that will not be started."""

    def __init__(
        self,
        leases: Leases,
        keeper: Keeper,
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
        self._claims = 0
        self._waits_alone: LeasedJob | None = None
        self._alone_next = True
        self._needs_slot = False
        self._held_back: frozenset[Flow] = frozenset()
        self._stopped = asyncio.Event()
        self._news = asyncio.Event()
        self._hungry = asyncio.Event()

    def stop(self) -> None:
        """`run` returns soon. What a claim under way still brings is released."""
        self._stopped.set()
        self._news.set()

    async def run(self) -> None:
        while not self._stopped.is_set():
            if self._waits_alone is not None and self._running.bulk == 0:
                await self._run_alone(self._waits_alone)
            elif self._running.free <= 0:
                await self._wait_for_slot()
            elif not self._keeper.is_fresh:
                await self._until(self._keeper.fresh())
            else:
                claim = await self._claim()
                if claim is not None and not self._take(claim):
                    await self._wait_for_work(claim)
        if self._waits_alone is not None:
            self._release(self._waits_alone)

    async def _claim(self) -> Claim | None:
        """None: Redis is away, or something is wrong with it."""
        self._claims += 1
        running = self._running
        self._held_back = running.held_back
        try:
            return await self._leases.claim(
                f"{self._leases.worker}-{self._claims}",
                free=running.free,
                bulk=self._room_for_bulk,
                alone=self._alone_next and self._waits_alone is None,
                held_back=self._held_back,
            )
        except TROUBLE as error:
            log.warning("claim.failed", error=type(error).__name__)
            self._keeper.doubt()
            await asyncio.sleep(0.1)
            return None

    def _take(self, claim: Claim) -> bool:
        """Whether to claim again at once."""
        self._keeper.hold(claim.jobs)
        for name in claim.gone:
            log.warning("job.gone", chunk=name, cause="its record has expired")
        if self._stopped.is_set():
            for job in claim.jobs:
                self._release(job)
            return False
        if len(claim.jobs) == 1 and claim.jobs[0].lapses >= ALONE_AFTER:
            [job] = claim.jobs
            log.warning("job.alone", chunk=job.job, lane=job.lane, lapses=job.lapses, waits_for=len(self._running))
            self._waits_alone = job
            return True
        for job in claim.jobs:
            self._start(job)
        # The claim after a job that ran alone leaves out such jobs, so that they do not keep all others waiting.
        left_out, self._alone_next = not self._alone_next, True
        progress = bool(claim.jobs) or left_out
        return bool(claim.gone) or self._running.free <= 0 or (progress and self._has_room_for_more(claim))

    def _has_room_for_more(self, claim: Claim) -> bool:
        return (claim.interactive_behind and self._running.free > 0) or (claim.bulk_behind and self._room_for_bulk > 0)

    @property
    def _room_for_bulk(self) -> int:
        """None while a job waits to run alone: bulk jobs, which may take long, come to an end then. Nobody who awaits
        an answer has to wait for that."""
        return 0 if self._waits_alone is not None else self._running.free_for_bulk

    async def _run_alone(self, job: LeasedJob) -> None:
        """It may take its worker with it: nothing else runs, and nothing else is claimed."""
        await self._until(self._running.idle())
        if self._stopped.is_set():
            return
        self._waits_alone, self._alone_next = None, False
        if self._keeper.holds(job):
            self._start(job)
            await self._until(self._running.idle())

    async def _wait_for_slot(self) -> None:
        self._needs_slot = True
        await self._news.wait()
        self._news.clear()

    async def _wait_for_work(self, claim: Claim) -> None:
        self._needs_slot = claim.behind or self._waits_alone is not None
        self._hungry.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await self._news.wait()
        self._hungry.clear()
        self._news.clear()

    def slot_freed(self) -> None:
        """Also when a flow may have more again."""
        if self._needs_slot or self._held_back - self._running.held_back:
            self._needs_slot = False
            self._news.set()

    async def _until(self, condition: Coroutine[Any, Any, None]) -> None:
        """Waits for this, or for `stop`."""
        tasks = {asyncio.create_task(condition), asyncio.create_task(self._stopped.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def listen(self) -> None:
        """Waits for wake-ups, on a connection of its own, while there is room for a job."""
        while True:
            await self._hungry.wait()
            try:
                woken = await self._leases.woken(POLL)
                if woken and not self._hungry.is_set():
                    await self._leases.wake_another()
                elif woken:
                    self._news.set()
            except TROUBLE:
                await asyncio.sleep(0.5)
