"""arq's worker, made fit: jobs under leases.

Of arq's own `Worker` stay the registry of functions, the `cron` declarations, the context, the signals and `run`. Its
polling, its claiming (four round trips a job) and its log lines (which print arguments) are never reached.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
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
from askonce_worker.logs.error_origin import place
from askonce_worker.queue.claimer import Claimer
from askonce_worker.queue.cron import Cron
from askonce_worker.queue.finisher import Finisher
from askonce_worker.queue.job_runner import JobRunner
from askonce_worker.queue.keeper import Keeper, RedisAway
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Bury, Done, Leases, Outcome, Return
from askonce_worker.queue.open_work import OpenWork
from askonce_worker.queue.running_jobs import RunningJobs
from askonce_worker.redis.clock import RedisClock

log = structlog.get_logger()

NEVER = 10 * 365 * 86_400
CODEC: dict[str, Any] = {"job_serializer": orjson.dumps, "job_deserializer": orjson.loads}
OUT_OF_THE_WAY: dict[str, Any] = {"max_tries": NEVER, "job_timeout": NEVER, "keep_result": 0, **CODEC}
"""What arq would decide and is decided here. (A timeout of None breaks it.)"""
UNITS_A_CHUNK = 128
"""Units of open work that a worker may hold for each slot: twice a full chunk, since one flow may hold half of it."""
LAST_CALLS = 5.0
"""Seconds that cancelled jobs get to end, and then Redis to take them back."""


class LeaseLoopLost(Exception):
    """What renews and ends this worker's leases has ended, and nobody told it to."""


class LeasedWorker(Worker):
    """redis: without retries of its own (a claim that is sent twice leaves the first one to lapse), bytes for replies.

    functions get arq's context with `job` (a LeasedJob) and `clock` (a RedisClock). split, on_dead: see JobRunner.
    on_lost: called for each job that another worker has claimed.
    chunks: jobs at once; reserved: how many of these places bulk never takes. lease, grace (how long running jobs may
    still take after a signal) and away_limit (how long to wait for Redis): seconds.
    """

    def __init__(
        self,
        functions: Sequence[Function | Callable[..., Coroutine[Any, Any, Any]]],
        *,
        redis: Redis,
        keys: Keys,
        clock: RedisClock,
        worker: str,
        split: Callable[[bytes], Sequence[bytes]],
        on_dead: Callable[[LeasedJob, str], Awaitable[None]],
        on_lost: Callable[[], None] = lambda: None,
        lease: float = 10.0,
        chunks: int = 32,
        reserved: int | None = None,
        max_tries: int = 5,
        grace: float = 30.0,
        away_limit: float = 300.0,
        cron_jobs: Sequence[CronJob] = (),
        on_startup: Callable[[dict[Any, Any]], Awaitable[None]] | None = None,
        on_shutdown: Callable[[dict[Any, Any]], Awaitable[None]] | None = None,
        handle_signals: bool = True,
    ) -> None:
        super().__init__(
            functions,
            queue_name=keys.queue("bulk"),
            redis_pool=ArqRedis(redis.connection_pool, **CODEC),
            cron_jobs=cron_jobs,
            on_startup=on_startup,  # type: ignore[arg-type]
            on_shutdown=on_shutdown,  # type: ignore[arg-type]
            handle_signals=handle_signals,
            ctx={"clock": clock},
            **OUT_OF_THE_WAY,
        )
        self.grace = grace
        self._on_lost = on_lost
        self._leases = Leases(redis, keys, clock, worker=worker, lease=lease)
        self._keeper = Keeper(self._leases, away_limit=away_limit, on_lost=self._lost)
        self._running = RunningJobs(
            chunks,
            max(1, chunks // 8) if reserved is None else reserved,
            OpenWork(chunks * UNITS_A_CHUNK),
            on_end=self._ended,
            on_room=self._slot_freed,
        )
        coroutines = {name: function.coroutine for name, function in self.functions.items()}
        self._runner = JobRunner(
            coroutines,
            self.ctx,
            split=split,
            on_dead=on_dead,
            leave_slot=self._running.leave_slot,
            max_tries=max_tries,
        )
        self._cron = Cron(self.cron_jobs, self.ctx, redis=redis, keys=keys, clock=clock)
        self._set_up()

    def _set_up(self) -> None:
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()
        self._started = False
        self._finisher = Finisher(self._leases, self._keeper)
        self._claimer = Claimer(
            self._leases, self._keeper, self._running, start=self._start, release=lambda job: self._end(Return(job))
        )

    async def main(self) -> None:
        """Works until a signal. Raises RedisAway, and whatever `on_startup` raises."""
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
        """It takes jobs: it has started, and was not told to stop."""
        return self._started and not self._stop.is_set()

    @property
    def hears_redis(self) -> bool:
        return self._keeper.is_fresh

    async def _work(self) -> None:
        await self._keeper.fresh()
        if self.on_startup:
            await self.on_startup(self.ctx)
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

    def _ended(self, outcome: Outcome) -> None:
        self._end(outcome)
        self._slot_freed()

    def _slot_freed(self) -> None:
        self._claimer.slot_freed()

    def _end(self, outcome: Outcome) -> None:
        """arq's counters, and then whatever it is goes to Redis."""
        self.jobs_complete += isinstance(outcome, Done)
        self.jobs_failed += isinstance(outcome, Bury)
        self.jobs_retried += isinstance(outcome, Return)
        self._finisher.put(outcome)

    def _lost(self, job: LeasedJob) -> None:
        """Fenced: another worker has it. Whatever it still reports, Redis does not take."""
        self._on_lost()
        if self._running.cancel(job):
            log.warning("job.lost", chunk=job.job, lane=job.lane)

    def handle_sig(self, signum: Signals) -> None:
        """The first signal lets jobs end, for `grace` seconds; the second one does not wait."""
        log.info("worker.stopping", signal=Signals(signum).name, running=len(self._running), again=self._stop.is_set())
        if self._stop.is_set():
            self._at_once.set()
        self._stop.set()

    async def _shut_down(self, working: "asyncio.Task[None]", *, in_order: bool) -> None:
        """Claims nothing more, lets jobs end, hands the rest back at once."""
        self._claimer.stop()
        if not self._started:
            working.cancel()
        if in_order:
            at_once = asyncio.create_task(self._at_once.wait())
            jobs_end = asyncio.create_task(self._last_jobs(working))
            await asyncio.wait({at_once, jobs_end}, timeout=self.grace, return_when=asyncio.FIRST_COMPLETED)
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
        await self._shutdown_hook()

    async def _last_jobs(self, working: "asyncio.Task[None]") -> None:
        """A claim under way ends first: what it brings is handed back."""
        await asyncio.wait({working})
        await self._running.idle()

    async def _shutdown_hook(self) -> None:
        if self.on_shutdown is None:
            return
        try:
            await self.on_shutdown(self.ctx)
        except Exception as error:  # noqa: BLE001 - the jobs are handed back already
            log.error("worker.shutdown_failed", error=type(error).__name__, where=place(error))

    async def close(self) -> None:
        """`main` has cleaned up; the connections are the caller's."""


def _cause(task: "asyncio.Task[Any]", keeping: Sequence["asyncio.Task[Any]"]) -> BaseException | None:
    """Why the worker has to end, if it was this task that ended it."""
    failed = None if task.cancelled() else task.exception()
    if failed is None and task in keeping:
        return LeaseLoopLost("the lease loop has ended")
    return failed
