"""arq's worker with jobs under leases.

It keeps arq's registry of functions, `cron` declarations, context, signals and `run`. It replaces arq's polling, its
claiming (four round trips a job) and its log lines (which print arguments).
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from signal import Signals
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.worker import Function, Worker
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce.tasks import stop
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.error_origin import place
from askonce_worker.queue.cron import Cron
from askonce_worker.queue.finisher import Finisher
from askonce_worker.queue.job_claimer import JobClaimer
from askonce_worker.queue.job_outcomes import Bury, Done, JobOutcome, Return
from askonce_worker.queue.job_runner import JobRunner
from askonce_worker.queue.lease_keeper import LeaseKeeper, RedisAway
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Leases
from askonce_worker.queue.open_work import OpenWork
from askonce_worker.queue.running_jobs import RunningJobs
from askonce_worker.queue.suspect_claimer import SuspectClaimer
from askonce_worker.queue.worker_options import JobHooks, WorkerLimits
from askonce_worker.redis.clock import RedisClock

log = structlog.get_logger()

NEVER = 10 * 365 * 86_400
CODEC: dict[str, Any] = {"job_serializer": orjson.dumps, "job_deserializer": orjson.loads}
OUT_OF_THE_WAY: dict[str, Any] = {"max_tries": NEVER, "job_timeout": NEVER, "keep_result": 0, **CODEC}
"""Disables arq's own limits. (A timeout of None breaks it.)"""
FULL_CHUNK = 64
"""Questions. One flow may hold half of what bulk may hold: about as many full chunks as bulk has slots."""
DEFAULT_LIMITS = WorkerLimits()
LAST_CALLS = 5.0
"""Seconds for cancelled jobs to end, and for Redis to take them back."""


class LeaseLoopLost(Exception):
    """The task that renews or ends this worker's leases has ended unexpectedly."""


class LeasedWorker(Worker):
    """A worker that holds its jobs under leases.

    Args:
        functions: get arq's context with `job` (a LeasedJob), `clock` (a RedisClock) and `leave_slot`, which is to be
            called once the job only waits for others.
        redis: without its own retries, because a claim sent twice would leave the first one to lapse; replies in bytes.
        worker: a name unique to this process.
        lease: seconds.
        suspects_only: runs only jobs whose workers died, one at a time, and exits when there are none left.
    """

    def __init__(
        self,
        functions: Sequence[Function | Callable[..., Coroutine[Any, Any, Any]]],
        *,
        redis: Redis,
        keys: Keys,
        clock: RedisClock,
        worker: str,
        hooks: JobHooks,
        health: PartHealth,
        lease: float = 10.0,
        limits: WorkerLimits = DEFAULT_LIMITS,
        suspects_only: bool = False,
        cron_jobs: Sequence[CronJob] = (),
        handle_signals: bool = True,
    ) -> None:
        super().__init__(
            functions,
            queue_name=keys.queue("bulk"),
            redis_pool=ArqRedis(redis.connection_pool, **CODEC),
            cron_jobs=cron_jobs,
            handle_signals=handle_signals,
            ctx={"clock": clock},
            **OUT_OF_THE_WAY,
        )
        self._limits = limits
        self._hooks = hooks
        self._health = health
        self._leases = Leases(redis, keys, clock, worker=worker, lease=lease, note=hooks.note)
        self._cron = Cron(self.cron_jobs, self.ctx, redis=redis, keys=keys, clock=clock, health=health)
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()
        self._started = False
        self._set_up(suspects_only=suspects_only)

    def _set_up(self, *, suspects_only: bool) -> None:
        limits, hooks = self._limits, self._hooks
        self._keeper = LeaseKeeper(self._leases, away_limit=limits.away_limit, on_lost=self._lost)
        self._finisher = Finisher(self._leases, self._keeper)
        self._running = RunningJobs(
            limits.slots,
            limits.bulk_slots,
            OpenWork(2 * limits.slots * FULL_CHUNK),
            on_end=self._ended,
            on_room=self._slot_freed,
        )
        functions = {name: function.coroutine for name, function in self.functions.items()}
        self._runner = JobRunner(
            functions,
            self.ctx,
            hooks,
            leave_slot=self._running.leave_slot,
            health=self._health,
            max_tries=limits.max_tries,
        )
        parts = (self._leases, self._keeper, self._running)
        claims: dict[str, Any] = {"start": self._start, "release": lambda job: self._end(Return(job))}
        self._claimer: JobClaimer | SuspectClaimer = (
            SuspectClaimer(*parts, **claims)
            if suspects_only
            else JobClaimer(*parts, **claims, on_suspects=hooks.on_suspects, health=self._health)
        )

    async def main(self) -> None:
        """Runs until a signal. Raises RedisAway."""
        self.ctx["redis"] = self.pool
        keeping = [asyncio.create_task(loop()) for loop in (self._keeper.run, self._finisher.run)]
        working = asyncio.create_task(self._work())
        told = asyncio.create_task(self._stop.wait())
        try:
            ended, _ = await asyncio.wait({*keeping, working, told}, return_when=asyncio.FIRST_COMPLETED)
            causes = [_cause(task, keeping) for task in ended]
            await self._shut_down(working, in_order=not any(causes))
            for cause in filter(None, causes):
                known = isinstance(cause, RedisAway | LeaseLoopLost)
                reason = str(cause) if known else f"{type(cause).__name__} at {place(cause)}"
                log.error("worker.failed", reason=reason)
                raise cause
        except asyncio.CancelledError:
            self._at_once.set()
            await self._shut_down(working, in_order=True)
            raise
        finally:
            await stop(told, working, *keeping)
            with contextlib.suppress(*TROUBLE):
                await self._leases.sign_off()
            log.info("worker.stopped", done=self.jobs_complete, failed=self.jobs_failed, retried=self.jobs_retried)

    @property
    def claims(self) -> bool:
        """Whether it claims jobs: it has started and is not stopping."""
        return self._started and not self._stop.is_set()

    @property
    def reaches_redis(self) -> bool:
        return self._keeper.is_fresh

    async def _work(self) -> None:
        await self._keeper.fresh()
        log.info("worker.started", worker=self._leases.worker, slots=self._running.free, lease=self._leases.lease)
        self._started = True
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(loop()) for loop in (self._claimer.listen, self._cron.run)]
            try:
                await self._claimer.run()
            finally:
                await stop(*beside)

    def _start(self, job: LeasedJob) -> None:
        self._running.start(job, self._runner.run(job))

    def _ended(self, outcome: JobOutcome) -> None:
        self._end(outcome)
        self._slot_freed()

    def _slot_freed(self) -> None:
        self._claimer.slot_freed()

    def _end(self, outcome: JobOutcome) -> None:
        """Counts the job as arq does, and hands it to the finisher."""
        self.jobs_complete += isinstance(outcome, Done)
        self.jobs_failed += isinstance(outcome, Bury)
        self.jobs_retried += isinstance(outcome, Return)
        self._finisher.put(outcome)

    def _lost(self, job: LeasedJob) -> None:
        """Another worker has the job. The fence rejects anything this one still reports."""
        self._hooks.on_lost()
        if self._running.cancel(job):
            log.warning("job.lost", chunk=job.job, lane=job.lane)

    def handle_sig(self, signum: Signals) -> None:
        """The first signal gives jobs `grace` seconds to finish. The second one cancels them at once."""
        log.info("worker.stopping", signal=Signals(signum).name, running=len(self._running), again=self._stop.is_set())
        if self._stop.is_set():
            self._at_once.set()
        self._stop.set()

    async def _shut_down(self, working: "asyncio.Task[None]", *, in_order: bool) -> None:
        """Stops claiming, lets jobs finish, and hands the rest back."""
        self._claimer.stop()
        if not self._started:
            working.cancel()
        if in_order:
            at_once = asyncio.create_task(self._at_once.wait())
            jobs_end = asyncio.create_task(self._last_jobs(working))
            await asyncio.wait({at_once, jobs_end}, timeout=self._limits.grace, return_when=asyncio.FIRST_COMPLETED)
            await stop(at_once, jobs_end)
        handed_back = self._running.cancel_all()
        if handed_back:
            log.info("worker.handing_back", jobs=handed_back)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_CALLS):
                await self._last_jobs(working)
                if in_order:
                    await self._finisher.drained()
        await stop(working)

    async def _last_jobs(self, working: "asyncio.Task[None]") -> None:
        """Waits for a claim in flight, whose jobs are handed back, and for running jobs."""
        await asyncio.wait({working})
        await self._running.idle()

    async def close(self) -> None:
        """Does nothing: `main` has cleaned up, and the caller owns the connections."""


def _cause(task: "asyncio.Task[Any]", keeping: Sequence["asyncio.Task[Any]"]) -> BaseException | None:
    """Why this task ends the worker. None if it does not."""
    failed = None if task.cancelled() else task.exception()
    if failed is None and task in keeping:
        return LeaseLoopLost("the lease loop has ended")
    return failed
