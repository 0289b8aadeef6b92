"""Runs one leased job and decides its outcome. Never logs a job's contents."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from arq.worker import Retry

from askonce.store.away import AWAY
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.error_origin import place
from askonce_worker.queue.job_outcomes import Bury, Done, JobOutcome, Return, Split
from askonce_worker.queue.leased_job import LeasedJob, Suspicious, Unworkable, part_name
from askonce_worker.queue.tries import CRASHED, SUSPECT_AFTER, TryDecision, decide, inherited, pause_ms
from askonce_worker.queue.worker_options import JobHooks

log = structlog.get_logger()

JobFunction = Callable[..., Awaitable[Any]]
REDIS_AWAY_PAUSE_MS = 1000
NOT_BURIED_PAUSE_MS = 30_000
JOBS_FORGET = 300.0
"""Seconds after which an idle worker stops reporting that its last jobs failed."""


class JobRunner:
    """Runs jobs by the names of their functions.

    Args:
        functions: by name.
        context: passed to each function, besides its job.
        leave_slot: called when a job only waits for the LLM from now on.
    """

    def __init__(
        self,
        functions: Mapping[str, JobFunction],
        context: Mapping[Any, Any],
        hooks: JobHooks,
        *,
        leave_slot: Callable[[LeasedJob], None],
        health: PartHealth,
        max_tries: int,
    ) -> None:
        self._functions = functions
        self._context = context
        self._hooks = hooks
        self._leave_slot = leave_slot
        self._health = health
        self._max_tries = max_tries

    async def run(self, job: LeasedJob) -> JobOutcome:
        """Raises only CancelledError, if cancelled. Must run in its own task."""
        structlog.contextvars.bind_contextvars(chunk=job.job, lane=job.lane)
        decision = self._decide(job, job.failures)
        if job.malformed:
            return await self._bury(job, job.malformed)
        if job.function not in self._functions:
            return await self._bury(job, f"unknown function {job.function[:100]!r}")
        if decision is not TryDecision.TRY:
            return await self._give_up(job, decision, CRASHED)
        return await self._try(job)

    async def _try(self, job: LeasedJob) -> JobOutcome:
        context = {
            **self._context,
            "job_id": job.job,
            "job_try": job.lapses + job.failures + 1,
            "job": job,
            "leave_slot": partial(self._leave_slot, job),
        }
        try:
            await self._functions[job.function](context, *job.args, **(job.kwargs or {}))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return await self._failed(job, error)
        except AWAY as error:
            # Not the job's fault, so no try is counted.
            log.warning("job.interrupted", error=type(error).__name__)
            return Return(job, REDIS_AWAY_PAUSE_MS)
        except Suspicious as error:
            log.warning("job.suspected", cause=str(error))
            return Return(job, lapses=SUSPECT_AFTER)
        except Unworkable as error:
            return await self._bury(job, str(error))
        except Exception as error:  # noqa: BLE001 - any error is one more failed try
            return await self._failed(job, error)
        self._health.succeeded("jobs")
        return Done(job)

    def _decide(self, job: LeasedJob, failures: int) -> TryDecision:
        return decide(lapses=job.lapses, failures=failures, questions=job.questions, max_tries=self._max_tries)

    async def _failed(self, job: LeasedJob, error: BaseException) -> JobOutcome:
        """Logs only the error's type and place, because its message may quote a prompt."""
        self._health.failed("jobs", forget=JOBS_FORGET)
        failures = job.failures + 1
        decision = self._decide(job, failures)
        name = type(error).__name__
        log.warning("job.failed", error=name, where=place(error), failures=failures, then=decision.value)
        if decision is not TryDecision.TRY:
            return await self._give_up(job, decision, f"failed: {name}")
        asked = error.defer_score if isinstance(error, Retry) else None
        return Return(job, pause_ms(failures) if asked is None else asked, failures=1)

    async def _give_up(self, job: LeasedJob, decision: TryDecision, cause: str) -> JobOutcome:
        if decision is TryDecision.BURY:
            return await self._bury(job, cause)
        try:
            parts = {part_name(job.job, record): record for record in self._hooks.split(job.record)}
        except Exception as error:  # noqa: BLE001 - a chunk that cannot even be read
            return await self._bury(job, f"{cause}; cannot be split: {type(error).__name__}")
        lapses, failures = inherited(
            lapses=job.lapses, failures=job.failures + (cause != CRASHED), max_tries=self._max_tries
        )
        return Split(job, parts, lapses, failures)

    async def _bury(self, job: LeasedJob, cause: str) -> JobOutcome:
        """Fails its questions first. If that fails, so does the burial, because every accepted question gets an
        answer."""
        try:
            await self._hooks.on_dead(job, cause)
        except Exception as error:  # noqa: BLE001 - a hook
            log.error("job.bury_failed", error=type(error).__name__, where=place(error))
            return Return(job, NOT_BURIED_PAUSE_MS)
        return Bury(job, cause)
