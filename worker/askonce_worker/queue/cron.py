"""Runs arq's cron declarations, each tick on one worker: the first to set the tick's key.

arq itself queues cron jobs, where a backlog would delay them. Here they are plain tasks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import structlog
from arq.cron import CronJob
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import AWAY, TROUBLE
from askonce.tasks import stop
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.error_origin import place
from askonce_worker.queue.wake_ups import REPLY_TIMEOUT
from askonce_worker.redis.clock import RedisClock

log = structlog.get_logger()

TICK = 0.5
KEPT_MS = 3_600_000


class Cron:
    """context: the argument of each job. A failed job runs again at its next tick; a job still running skips it."""

    def __init__(
        self,
        jobs: Sequence[CronJob],
        context: Mapping[Any, Any],
        *,
        redis: Redis,
        keys: Keys,
        clock: RedisClock,
        health: PartHealth,
        zone: tzinfo = UTC,
    ) -> None:
        self._jobs = jobs
        self._context = context
        self._redis = redis
        self._prefix = f"{keys.prefix}:cron:"
        self._clock = clock
        self._health = health
        self._zone = zone
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Ticks until cancelled, then cancels running jobs."""
        try:
            while True:
                for job in self._jobs:
                    await self._look_at(job)
                await asyncio.sleep(TICK)
        finally:
            await stop(*self._tasks.values())

    async def _look_at(self, job: CronJob) -> None:
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, self._zone)
        if job.next_run is None:
            if job.run_at_startup:
                self._start(job)
            job.calculate_next(now)
        elif job.next_run <= now and job.name not in self._tasks:
            tick = job.next_run
            if await self._mine(job, tick):
                self._start(job)
            # Missed ticks are skipped.
            job.calculate_next(max(tick, now - timedelta(seconds=1)))

    async def _mine(self, job: CronJob, tick: datetime) -> bool:
        if not job.unique:
            return True
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                key = f"{self._prefix}{job.name}:{int(tick.timestamp() * 1000)}"
                return bool(await self._redis.set(key, "1", nx=True, px=KEPT_MS))
        except TROUBLE as error:
            log.warning("cron.skipped", cron=job.name, error=type(error).__name__)
            return False

    def _start(self, job: CronJob) -> None:
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks[job.name] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.name, None))

    async def _run(self, job: CronJob) -> None:
        began = self._clock.now_ms()
        try:
            await job.coroutine(dict(self._context))
        except AWAY as error:
            log.warning("cron.interrupted", cron=job.name, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the next tick is another chance
            log.error("cron.failed", cron=job.name, error=type(error).__name__, where=place(error))
            self._health.failed(job.name)
        else:
            self._health.succeeded(job.name)
            log.debug("cron.done", cron=job.name, ms=self._clock.now_ms() - began)
