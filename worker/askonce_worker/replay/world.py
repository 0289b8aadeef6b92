"""The state of a cache with one threshold, as it would have filled over the course of the log."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from askonce_worker.evaluate.stream.lookups import CANDIDATES
from askonce_worker.matching.match import Reuse

NEVER = float("-inf")


class Kind(StrEnum):
    """How a call would have been answered."""

    exact = "exact"
    semantic = "semantic"
    inflight = "inflight"
    miss = "miss"


class Passing(NamedTuple):
    """A similar question of the scope that the rules let pass. in_flight: whether it serves only while its call is in
    flight, because it asks about now."""

    number: int
    similarity: float
    in_flight: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call would have been answered.

    source: number of the call whose answer it would have got. other: whether that was a different question, with this
    similarity. waits: seconds until a call in flight is answered.
    """

    kind: Kind
    number: int = -1
    source: int = 0
    other: bool = False
    similarity: float = 1.0
    waits: float = 0.0


MISS = Outcome(Kind.miss)


class World:
    """For each question, by its number: from when and until when its answer is cached.

    Before that its call is in flight and may be joined. threshold: None for exact matches only.
    """

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold
        self._ready = array("d")
        self._until = array("d")
        self._source = array("q")

    def until(self, number: int) -> float:
        """The time until which a question's answer may serve."""
        return self._until[number] if number < len(self._until) else NEVER

    def look_up(self, number: int, now: float, reuse: Reuse, passing: Sequence[Passing]) -> Outcome:
        """Look up as a worker does: the same question in the cache, a similar one, then calls in flight.

        passing: best first.
        """
        cached = self.is_cached(number, now)
        if cached and reuse.from_cache:
            return Outcome(Kind.exact, number, self._source[number])
        near = [each for each in passing if self.threshold is not None and each.similarity >= self.threshold]
        if reuse.from_cache:
            stored = [each for each in near if self.is_cached(each.number, now)][:CANDIDATES]
            best = next((each for each in stored if not each.in_flight), None)
            if best is not None:
                return Outcome(Kind.semantic, best.number, self._source[best.number], True, best.similarity)
        if self._is_under_way(number, now):
            return self._joined(number, now)
        joined = next((each for each in near if self._is_under_way(each.number, now)), None)
        return MISS if joined is None else self._joined(joined.number, now, joined)

    def lead(self, number: int, source: int, ready: float, until: float) -> None:
        """Make the call. ready: when it is answered. until: when its answer expires; no later than `ready` if it is not
        kept."""
        missing = number + 1 - len(self._until)
        if missing > 0:
            self._ready.extend([NEVER] * missing)
            self._until.extend([NEVER] * missing)
            self._source.extend([0] * missing)
        self._ready[number], self._until[number], self._source[number] = ready, until, source

    def is_cached(self, number: int, now: float) -> bool:
        """Whether the same question's answer is in the cache."""
        return number < len(self._until) and self._ready[number] <= now < self._until[number]

    def _is_under_way(self, number: int, now: float) -> bool:
        return number < len(self._until) and now < self._ready[number]

    def _joined(self, number: int, now: float, near: Passing | None = None) -> Outcome:
        similarity = 1.0 if near is None else near.similarity
        waits = self._ready[number] - now
        return Outcome(Kind.inflight, number, self._source[number], near is not None, similarity, waits)
