"""The options of a leased worker: how much it takes on, and what it calls when something happens to a job."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from askonce_worker.queue.leased_job import LeasedJob


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How much a worker takes on, and how long it waits.

    Attributes:
        slots: jobs at a time that may use the caches.
        max_tries: lapses and failures of a job before it becomes a dead letter.
        grace: seconds that running jobs may still take after a signal.
        away_limit: seconds to wait for Redis.
    """

    slots: int = 32
    max_tries: int = 5
    grace: float = 30.0
    away_limit: float = 300.0

    @property
    def bulk_slots(self) -> int:
        """Slots that bulk jobs may take: the rest is kept for the interactive lane."""
        return max(1, self.slots - max(1, self.slots // 8))


def _ignore() -> None:
    pass


@dataclass(frozen=True, slots=True)
class JobHooks:
    """What a worker calls.

    Attributes:
        split: makes a job record into records of one question each.
        on_dead: awaited before a job becomes a dead letter, with the job and the cause; again if it raises.
        on_lost: called for each job that another worker has claimed.
        on_suspects: called when jobs wait that must run in a process of their own.
        note: called before each claim; what it returns goes with the jobs of which the claim reads more.
    """

    split: Callable[[bytes], Sequence[bytes]]
    on_dead: Callable[[LeasedJob, str], Awaitable[None]]
    on_lost: Callable[[], None] = _ignore
    on_suspects: Callable[[], None] = _ignore
    note: Callable[[], Any] = _ignore
