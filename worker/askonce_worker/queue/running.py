"""The jobs that a worker runs at this moment, and its free slots."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from askonce_worker.logs.error_origin import place
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.leases import Outcome, Return
from askonce_worker.queue.tries import LONGEST_PAUSE_MS

log = structlog.get_logger()


class Running:
    """`total` slots; bulk jobs never take the last `reserved`. on_end: is told of each outcome, the slot being free."""

    def __init__(self, total: int, reserved: int, on_end: Callable[[Outcome], None]) -> None:
        self._on_end = on_end
        self._total = total
        self._most_bulk = max(1, total - reserved)
        self._bulk = 0
        self._tasks: dict[tuple[str, str], asyncio.Task[Outcome]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def bulk(self) -> int:
        return self._bulk

    @property
    def free(self) -> int:
        return self._total - len(self._tasks)

    @property
    def free_for_bulk(self) -> int:
        return min(self.free, self._most_bulk - self._bulk)

    def start(self, job: LeasedJob, run: Coroutine[Any, Any, Outcome]) -> None:
        task = asyncio.get_running_loop().create_task(run)
        self._tasks[job.key] = task
        self._bulk += job.lane == "bulk"
        self._idle.clear()
        task.add_done_callback(lambda ended: self._ended(job, ended))

    def _ended(self, job: LeasedJob, task: "asyncio.Task[Outcome]") -> None:
        """A job that is cancelled goes back, even if it had not begun to run."""
        del self._tasks[job.key]
        self._bulk -= job.lane == "bulk"
        if not self._tasks:
            self._idle.set()
        self._on_end(_outcome(job, task))

    async def idle(self) -> None:
        """Waits until no job runs."""
        await self._idle.wait()

    def cancel(self, job: LeasedJob) -> bool:
        """False: it does not run."""
        task = self._tasks.get(job.key)
        return task is not None and task.cancel()

    def cancel_all(self) -> int:
        return sum(task.cancel() for task in list(self._tasks.values()))


def _outcome(job: LeasedJob, task: "asyncio.Task[Outcome]") -> Outcome:
    if task.cancelled():
        return Return(job)
    error = task.exception()
    if error is None:
        return task.result()
    log.error("job.runner_failed", chunk=job.job, lane=job.lane, error=type(error).__name__, where=place(error))
    return Return(job, LONGEST_PAUSE_MS, failures=1)
