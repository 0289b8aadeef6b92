"""How much work a worker holds, and of which flows it takes no more for now. Pure: no I/O, no clock.

Questions that wait for the LLM or for a leader occupy little but memory, so a worker may hold many of them, within one
bound in units. A unit is a question, or 16 KiB of a job's record where its questions are large. A flow (a lane,
a namespace and a model) may hold as much as stays free: one flow half of the bound, two a third each, and so on. So
however many flows wait for a model that hangs, there is room for the next one. (The dynamic threshold of
shared-memory switches: A. Choudhury and E. Hahne, IEEE/ACM Transactions on Networking 6, 1998.)
"""

from collections import Counter

from askonce_worker.queue.flow import Flow
from askonce_worker.queue.leased_job import LeasedJob

UNIT_BYTES = 16 * 1024


class OpenWork:
    """capacity: units."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._flows: Counter[Flow] = Counter()
        self._units: dict[tuple[str, str], int] = {}
        self._total = 0

    def add(self, job: LeasedJob) -> None:
        units = max(1, job.questions, len(job.record) // UNIT_BYTES)
        self._units[job.key] = units
        self._flows[job.flow] += units
        self._total += units

    def remove(self, job: LeasedJob) -> None:
        units = self._units.pop(job.key)
        self._flows[job.flow] -= units
        self._total -= units
        if self._flows[job.flow] <= 0:
            del self._flows[job.flow]

    @property
    def room(self) -> int:
        """How many more jobs of the present mean size may be taken, all of one flow. 0 once nothing is free.

        What a flow takes is free no more, so it counts twice.
        """
        free = self._capacity - self._total
        if free <= 0:
            return 0
        most = max((units for units in self._flows.values() if units < free), default=0)
        mean = max(1.0, self._total / max(1, len(self._units)))
        return max(1, int((free - most) / 2 / mean))

    @property
    def held_back(self) -> frozenset[Flow]:
        """The flows that hold at least as much as is free."""
        free = self._capacity - self._total
        return frozenset(flow for flow, units in self._flows.items() if units >= free)
