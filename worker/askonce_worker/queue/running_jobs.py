"""The jobs a worker is running, and how many more it may take."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from askonce_worker.logs.error_origin import place
from askonce_worker.queue.flow import Flow
from askonce_worker.queue.job_outcomes import JobOutcome, Return
from askonce_worker.queue.leased_job import LeasedJob
from askonce_worker.queue.open_work import OpenWork
from askonce_worker.queue.tries import LONGEST_PAUSE_MS

log = structlog.get_logger()


class RunningJobs:
    """A job holds one of `slots` while it reads the caches, and returns it once it only waits for the LLM.

    Args:
        slots: jobs that may use the caches at a time.
        bulk_slots: how many of these bulk jobs may take.
        open_work: bounds all jobs together, including waiting ones.
        on_end: called with each outcome, after the slot is free.
        on_room: called when a slot is free again while its job continues.
    """

    def __init__(
        self,
        slots: int,
        bulk_slots: int,
        open_work: OpenWork,
        *,
        on_end: Callable[[JobOutcome], None],
        on_room: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._bulk_slots = bulk_slots
        self._open_work = open_work
        self._on_end = on_end
        self._on_room = on_room
        self._tasks: dict[tuple[str, str], asyncio.Task[JobOutcome]] = {}
        self._in_slots: dict[tuple[str, str], LeasedJob] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def free_slots(self) -> int:
        return self._slots - len(self._in_slots)

    @property
    def free(self) -> int:
        """How many due jobs may be taken. 0 does not stop claims, which still take lapsed jobs."""
        return min(self.free_slots, self._open_work.room("interactive"))

    @property
    def free_for_bulk(self) -> int:
        return min(self.free, self._free_bulk_slots, self._open_work.room("bulk"))

    @property
    def free_for_lapsed(self) -> tuple[int, int]:
        """How many jobs whose workers died may be taken, and how many of these from the bulk lane."""
        if not self._open_work.room_for_lapsed:
            return 0, 0
        return self.free_slots, min(self.free_slots, self._free_bulk_slots)

    @property
    def _free_bulk_slots(self) -> int:
        return self._bulk_slots - sum(job.lane == "bulk" for job in self._in_slots.values())

    @property
    def held_back(self) -> frozenset[Flow]:
        """Flows that may take no more jobs for now."""
        return self._open_work.held_back

    def start(self, job: LeasedJob, run: Coroutine[Any, Any, JobOutcome]) -> None:
        task = asyncio.get_running_loop().create_task(run)
        self._tasks[job.key] = task
        self._in_slots[job.key] = job
        self._open_work.add(job)
        self._idle.clear()
        task.add_done_callback(lambda ended: self._ended(job, ended))

    def leave_slot(self, job: LeasedJob) -> None:
        """From now on the job only waits for the LLM or a leader. A second call has no effect."""
        if self._in_slots.pop(job.key, None) is not None:
            self._on_room()

    def _ended(self, job: LeasedJob, task: "asyncio.Task[JobOutcome]") -> None:
        """Ends a job. A cancelled one is returned, even if it had not started."""
        del self._tasks[job.key]
        self._in_slots.pop(job.key, None)
        self._open_work.remove(job)
        if not self._tasks:
            self._idle.set()
        self._on_end(_outcome(job, task))

    async def idle(self) -> None:
        """Waits until no job is running."""
        await self._idle.wait()

    def cancel(self, job: LeasedJob) -> bool:
        """Cancels a job. False if it is not running."""
        task = self._tasks.get(job.key)
        return task is not None and task.cancel()

    def cancel_all(self) -> int:
        return sum(task.cancel() for task in list(self._tasks.values()))


def _outcome(job: LeasedJob, task: "asyncio.Task[JobOutcome]") -> JobOutcome:
    if task.cancelled():
        return Return(job)
    error = task.exception()
    if error is None:
        return task.result()
    log.error("job.runner_failed", chunk=job.job, lane=job.lane, error=type(error).__name__, where=place(error))
    return Return(job, LONGEST_PAUSE_MS, failures=1)
