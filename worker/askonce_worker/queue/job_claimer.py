"""Decides when to claim: on a wake-up, when a slot is freed while jobs wait, and at least once a second."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from askonce.store.away import AWAY, TROUBLE
from askonce.tasks import stop
from askonce_worker.health.parts import PartHealth
from askonce_worker.queue.flow import Flow
from askonce_worker.queue.lease_keeper import LeaseKeeper
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Claim, Leases
from askonce_worker.queue.running_jobs import RunningJobs

log = structlog.get_logger()

POLL = 1
"""Seconds between polls, for lost wake-ups, due retries, and lapsed leases."""
LOOK_FOR_LAPSED = 0.5
"""Seconds after which a claim also looks for lapsed leases."""
PAUSE_AFTER_TROUBLE = 0.1
COMES_BACK = 0.02
"""Seconds after which a token that this worker cannot use is offered again, in case the others were busy."""
OFFERS = 2
"""How often a worker passes on the same token before dropping it."""


class JobClaimer:
    """Claims as many jobs as the worker has room for.

    Args:
        start: runs a job in a slot.
        release: hands a job back that will not be started.
        on_suspects: called when jobs wait that must run in a process of their own.
    """

    def __init__(
        self,
        leases: Leases,
        keeper: LeaseKeeper,
        running: RunningJobs,
        *,
        start: Callable[[LeasedJob], None],
        release: Callable[[LeasedJob], None],
        on_suspects: Callable[[], None],
        health: PartHealth,
    ) -> None:
        self._leases = leases
        self._wake_ups = leases.wake_ups
        self._keeper = keeper
        self._running = running
        self._start = start
        self._release = release
        self._on_suspects = on_suspects
        self._health = health
        self._needs_slot = False
        self._held_back: frozenset[Flow] = frozenset()
        self._token = ""
        self._looked = -LOOK_FOR_LAPSED
        self._stopped = asyncio.Event()
        self._news = asyncio.Event()
        self._full = False
        self._listening = asyncio.Event()

    def stop(self) -> None:
        """Makes `run` return soon. Jobs from a claim in flight are released."""
        self._stopped.set()
        self._news.set()

    async def run(self) -> None:
        while not self._stopped.is_set():
            if self._running.free_slots <= 0:
                await self._wait_for_slot()
            elif not self._keeper.is_fresh:
                await self._until(self._keeper.fresh())
            else:
                claim = await self._claim()
                if claim is not None and not self._take(claim):
                    await self._wait_for_work(claim)
        await self._pass_on()

    async def _claim(self) -> Claim | None:
        """Claims. None if Redis is away or faulty."""
        running = self._running
        self._held_back = running.held_back
        token, self._token = self._token, ""
        now = time.monotonic()
        looks = now - self._looked >= LOOK_FOR_LAPSED
        try:
            claim = await self._leases.claim(
                free=running.free,
                bulk=running.free_for_bulk,
                lapsed=running.free_for_lapsed if looks else None,
                held_back=self._held_back,
                token=token,
                listens=running.free > 1,
            )
        except TROUBLE as error:
            self._token = self._token or token
            log.warning("claim.failed", error=type(error).__name__)
            if not isinstance(error, AWAY):
                self._health.failed("claims")
            self._keeper.doubt()
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
            return None
        self._health.succeeded("claims")
        self._looked = now if looks else self._looked
        if self._wake_ups.waits:
            self._listening.set()
        return claim

    def _take(self, claim: Claim) -> bool:
        """Starts claimed jobs. Returns whether to claim again at once."""
        self._keeper.hold(claim.jobs)
        for name in claim.gone:
            log.warning("job.gone", chunk=name, cause="its record has expired")
        if self._stopped.is_set():
            for job in claim.jobs:
                self._release(job)
            return False
        for job in claim.jobs:
            self._start(job)
        if claim.suspects:
            self._on_suspects()
        if claim.gone or self._running.free_slots <= 0:
            return True
        return bool(claim.jobs) and self._has_room_for_more(claim)

    def _has_room_for_more(self, claim: Claim) -> bool:
        running = self._running
        return (claim.interactive_behind and running.free > 0) or (claim.bulk_behind and running.free_for_bulk > 0)

    async def _wait_for_slot(self) -> None:
        self._needs_slot = True
        await self._pass_on()
        await self._news.wait()
        self._full = False
        self._news.clear()

    async def _wait_for_work(self, claim: Claim) -> None:
        self._needs_slot = claim.behind
        if self._running.free > 0:
            self._listening.set()
        else:
            await self._pass_on()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await self._news.wait()
        self._full = False
        self._news.clear()

    def slot_freed(self) -> None:
        """Must be called when a job leaves its slot or ends, because its flow may then take more."""
        if self._needs_slot or self._held_back - self._running.held_back:
            self._needs_slot = False
            self._news.set()

    async def _until(self, condition: Coroutine[Any, Any, None]) -> None:
        """Waits for this, or for `stop`."""
        tasks = {asyncio.create_task(condition), asyncio.create_task(self._stopped.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(*tasks)

    async def listen(self) -> None:
        """Waits for wake-ups while there is room for a job, and reads the reply to a wait already begun."""
        try:
            async with asyncio.TaskGroup() as offers:
                while True:
                    await self._listening.wait()
                    self._listening.clear()
                    try:
                        await self._listen_once(offers)
                    except TROUBLE:
                        await asyncio.sleep(0.5)
                        self._listening.set()
        finally:
            await self._wake_ups.aclose()

    async def _listen_once(self, offers: asyncio.TaskGroup) -> None:
        """Waits once. After a token, the resulting claim begins the next wait."""
        token = await self._wake_ups.next()
        if token:
            await self._use(token, offers)
        if not self._token and not self._full:
            self._listening.set()

    async def _use(self, token: str, offers: asyncio.TaskGroup) -> None:
        """Claims for a token or passes it to another worker, so that none is lost while some worker could take the
        job."""
        passed_by = self._wake_ups.passed_by(token)
        if self._full:
            await self._wake_ups.pass_on(token)
        elif not passed_by:
            self._token = min(token, self._token or token, key=len)
            self._news.set()
        elif passed_by < OFFERS:
            offers.create_task(self._offer_again(f"{token} {self._leases.worker}"))

    async def _offer_again(self, token: str) -> None:
        with contextlib.suppress(*TROUBLE):
            await asyncio.sleep(COMES_BACK)
            await self._wake_ups.pass_on(token)

    async def _pass_on(self) -> None:
        """Passes the token on, because this worker takes nothing for now."""
        self._full = True
        token, self._token = self._token, ""
        if token:
            with contextlib.suppress(*TROUBLE):
                await self._wake_ups.pass_on(token)
