"""How much work a worker holds, and which flows it holds back for now. Pure: no I/O, no clock.

Questions waiting for the LLM or for a leader use little but memory, so a worker may hold many of them, within one bound
in units. A unit is a question, or 16 KiB of a job's record if its questions are large. A flow (a lane, a namespace and
a model) may hold as much as remains free: one flow half of the bound, two a third each, and so on. So when a few flows
wait for a model that hangs, there is room for the next one. (The dynamic threshold of shared-memory switches: A.
Choudhury and E. Hahne, IEEE/ACM Transactions on Networking 6, 1998.)

Many such flows still fill the bound, so bulk jobs may hold 7/8 of it, and the rest is for interactive jobs.
"""

from collections import Counter

from askonce_worker.queue.flow import Flow
from askonce_worker.queue.leased_job import LeasedJob

UNIT_BYTES = 16 * 1024
KEPT = 8
"""One part in this many is kept for interactive jobs."""


class OpenWork:
    """capacity: units."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept = capacity // KEPT
        self._flows: Counter[Flow] = Counter()
        self._units: dict[tuple[str, str], int] = {}
        self._held: Counter[str] = Counter()
        self._jobs: Counter[str] = Counter()

    def add(self, job: LeasedJob) -> None:
        units = max(1, job.questions, len(job.record) // UNIT_BYTES)
        self._units[job.key] = units
        self._flows[job.flow] += units
        self._held[job.lane] += units
        self._jobs[job.lane] += 1

    def remove(self, job: LeasedJob) -> None:
        units = self._units.pop(job.key)
        self._flows[job.flow] -= units
        self._held[job.lane] -= units
        self._jobs[job.lane] -= 1
        if self._flows[job.flow] <= 0:
            del self._flows[job.flow]

    def room(self, lane: str) -> int:
        """How many more jobs of the lane's mean size one flow may take. 0 if nothing is free.

        What a flow takes is also no longer free, so it counts twice.
        """
        free = self._free(lane)
        if free <= 0:
            return 0
        most = max((units for flow, units in self._flows.items() if flow.lane == lane and units < free), default=0)
        mean = max(1.0, self._held[lane] / max(1, self._jobs[lane]))
        return max(1, int((free - most) / 2 / mean))

    @property
    def room_for_lapsed(self) -> bool:
        """Whether to take jobs whose workers died. They must run soon, so they may use as much as the bound again."""
        return self._held.total() < 2 * self._capacity

    @property
    def held_back(self) -> frozenset[Flow]:
        """The flows that hold at least as much as their lane has free."""
        return frozenset(flow for flow, units in self._flows.items() if units >= self._free(flow.lane))

    def _free(self, lane: str) -> int:
        free = self._capacity - self._held.total()
        if lane == "bulk":
            return free - max(0, self._kept - self._held["interactive"])
        return max(free, self._kept - self._held["interactive"])
