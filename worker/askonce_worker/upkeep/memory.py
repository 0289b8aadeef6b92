"""How Redis's memory is shared between the cache and what passes through: waiting questions, and their results.

Pure. The queue gives way first: `submit` is refused before questions, together with the results that they will have,
take what the cache holds. Entries within the cache's share are evicted last.
"""

from dataclasses import dataclass

QUEUE_SHARE = 0.15
"""Of `maxmemory`: so much may wait, with its results, also beside a full cache, or other data."""
LITTLE = 0.5
"""Of the queue's share. Where no more than this waits, the queue cannot give way any further."""
CACHE_SHARE = 0.65
"""Entries within it make no room for others, unless Redis is about to refuse writes."""
FILLED = 0.75
"""Up to here the queue may fill what is free: a little less than where Redis counts as nearly full."""
NEARLY_FULL = 0.8
"""As in nearly_full.lua: no question is accepted above it."""
DANGER = 0.95
ENTRY_OVERHEAD = 450
RESULT_OVERHEAD = 300
QUESTION = 600
"""Bytes of Redis beside the text of an entry, beside that of a result, and of a question that waits."""
SLACK = 1.05
"""What the allocator rounds up."""
UNKNOWN = 2000.0
"""Bytes of an answer, before there is an entry."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of Redis, and what they are used for.

    used, most: `used_memory` and `maxmemory`, 0 for no bound. base: what an empty Redis uses. entries: how many there
    are. answer: mean bytes of one. waiting: questions in the queue, or being answered. nearly_full: nothing new is
    cached.
    """

    used: int
    most: int
    base: int
    entries: int
    answer: float
    waiting: int
    nearly_full: bool = False

    @property
    def cache(self) -> float:
        """Bytes of the cache, about."""
        return min(self.used - self.base, self.entries * (SLACK * self.answer + ENTRY_OVERHEAD))

    @property
    def passing(self) -> float:
        """Bytes of questions, results and all else: vectors that wait for Qdrant, dead letters, other applications."""
        return self.used - self.base - self.cache

    @property
    def is_full(self) -> bool:
        """Whether entries have to go. Those within the cache's share stay as long as the queue can give way."""
        backlog = self.waiting * (QUESTION + self._result) > LITTLE * QUEUE_SHARE * self.most
        yields = backlog and self.cache <= CACHE_SHARE * self.most
        return self.nearly_full and (not yields or self.used > DANGER * self.most)

    @property
    def most_waiting(self) -> int:
        """Questions that may wait at a time. With their results they take what is free, and their share at least.

        Their share is theirs whatever else Redis holds: else outside data could close the queue for good.
        """
        each = QUESTION + self._result
        share = QUEUE_SHARE * self.most
        free = FILLED * self.most - self.base - self.cache
        room = max(free, share) - self.passing - self.waiting * self._result
        least = share / each if self.used <= NEARLY_FULL * self.most else 0
        return max(self.waiting + int(max(0, room) / each), int(least))

    @property
    def _result(self) -> float:
        """Bytes of one."""
        return SLACK * (self.answer or UNKNOWN) + RESULT_OVERHEAD
