"""Options of a leased worker: its limits, and the hooks for events of a job."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from askonce_worker.queue.leased_job import LeasedJob


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Limits on a worker's load and waiting times.

    Attributes:
        slots: jobs at a time that may use the caches.
        max_tries: lapses and failures after which a job becomes a dead letter.
        grace: seconds that running jobs have to finish after a signal.
        away_limit: seconds to wait for Redis.
    """

    slots: int = 32
    max_tries: int = 5
    grace: float = 30.0
    away_limit: float = 300.0

    @property
    def bulk_slots(self) -> int:
        """Slots that bulk jobs may take; the rest is kept for the interactive lane."""
        return max(1, self.slots - max(1, self.slots // 8))


def _ignore() -> None:
    pass


@dataclass(frozen=True, slots=True)
class JobHooks:
    """A worker's callbacks.

    Attributes:
        split: splits a job record into records of one question each.
        on_dead: awaited before a job becomes a dead letter, with the job and the cause; again if it raises.
        on_lost: called for each job that another worker has claimed.
        on_suspects: called when jobs wait that must run in a process of their own.
        note: called before each claim; its result is attached to jobs for which the claim reads more.
    """

    split: Callable[[bytes], Sequence[bytes]]
    on_dead: Callable[[LeasedJob, str], Awaitable[None]]
    on_lost: Callable[[], None] = _ignore
    on_suspects: Callable[[], None] = _ignore
    note: Callable[[], Any] = _ignore
