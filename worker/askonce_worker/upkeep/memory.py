"""How Redis's memory is divided between the cache and transient data: waiting questions and their results.

Pure. The queue yields first: `submit` is refused before questions and their future results take memory from the cache.
Entries within the cache's share are evicted last.
"""

from dataclasses import dataclass

QUEUE_SHARE = 0.15
"""Share of `maxmemory` for waiting questions and their results, even with a full cache or other data."""
LITTLE = 0.5
"""Part of the queue's share below which the queue cannot yield any further."""
CACHE_SHARE = 0.65
"""The cache's share, whose entries are only evicted if Redis is about to refuse writes."""
FILLED = 0.75
"""Limit for the queue's use of free memory: slightly below where Redis counts as nearly full."""
NEARLY_FULL = 0.8
"""As in nearly_full.lua: above it no question is accepted."""
DANGER = 0.95
ENTRY_OVERHEAD = 450
RESULT_OVERHEAD = 300
QUESTION = 600
"""Redis's overhead in bytes of an entry, of a result, and of a waiting question."""
SLACK = 1.05
"""The allocator's rounding."""
UNKNOWN = 2000.0
"""Assumed bytes of an answer until there is an entry."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The use of Redis's memory, in bytes.

    used, most: `used_memory` and `maxmemory`, 0 for no bound. base: of an empty Redis. entries: their number. answer:
    mean bytes of an answer. waiting: questions queued or being answered. nearly_full: nothing new is cached.
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
        """Estimated bytes of the cache."""
        return min(self.used - self.base, self.entries * (SLACK * self.answer + ENTRY_OVERHEAD))

    @property
    def passing(self) -> float:
        """Bytes of questions, results and all else: vectors waiting for Qdrant, dead letters, other applications."""
        return self.used - self.base - self.cache

    @property
    def is_full(self) -> bool:
        """Whether entries must be evicted. Those within the cache's share stay as long as the queue can yield."""
        backlog = self.waiting * (QUESTION + self._result) > LITTLE * QUEUE_SHARE * self.most
        yields = backlog and self.cache <= CACHE_SHARE * self.most
        return self.nearly_full and (not yields or self.used > DANGER * self.most)

    @property
    def most_waiting(self) -> int:
        """Maximum waiting questions. With their results they use what is free, but at least their share.

        Their share is guaranteed whatever else Redis holds; otherwise foreign data could close the queue permanently.
        """
        each = QUESTION + self._result
        share = QUEUE_SHARE * self.most
        free = FILLED * self.most - self.base - self.cache
        room = max(free, share) - self.passing - self.waiting * self._result
        least = share / each if self.used <= NEARLY_FULL * self.most else 0
        return max(self.waiting + int(max(0, room) / each), int(least))

    @property
    def _result(self) -> float:
        """Bytes of one result."""
        return SLACK * (self.answer or UNKNOWN) + RESULT_OVERHEAD
