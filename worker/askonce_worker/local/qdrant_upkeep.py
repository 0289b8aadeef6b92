"""Upkeep of the collections in short steps between requests: flushing, reclaiming space, building graphs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable

from askonce_worker.local.qdrant_collection import Collection, Part
from askonce_worker.local.qdrant_rebuild import Limits, choose, is_urgent, rebuild

EVERY = 1.0
FLUSH_EVERY = 10.0
RETRY_FIRST = 30.0
RETRY_LAST = 600.0
log = logging.getLogger(__name__)


class Upkeep:
    """One rebuild at a time, over all collections.

    Args:
        collections: Returns the current collections.
        limits: The sizes at which graphs are built.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self, collections: Callable[[], Iterable[Collection]], limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._collections = collections
        self._limits = limits
        self._clock = clock
        self._work: Generator[float] | None = None
        self._of: Collection | None = None
        self._can_wait = False
        self._failures = 0
        self._not_before = 0.0
        self._flush_at = clock() + FLUSH_EVERY
        self._unflushed: list[tuple[Collection, Part]] = []

    def step(self) -> float:
        """Do one step. Returns the seconds until the next."""
        if self._clock() >= self._flush_at:
            self._flush_at = self._clock() + FLUSH_EVERY
            self._unflushed = [(each, part) for each in self._collections() for part in each.parts if part.touched]
        if self._unflushed:
            self._flush(*self._unflushed.pop())
            return 0.0
        for collection in self._collections():
            if collection.changed and collection.bytes_of(collection.parts[-1]) > self._limits.last:
                collection.grow()
        if self._can_wait and any(is_urgent(each, self._limits) for each in self._collections()):
            self.close()
        if self._work is not None:
            return self._go_on(self._work)
        if self._clock() >= self._not_before:
            self._begin()
        return EVERY if self._work is None else 0.0

    def drop(self, collection: Collection) -> None:
        """Abort the rebuild of this collection, if one is under way."""
        if self._work is not None and collection is self._of:
            self._work.close()
            self._end()

    def close(self) -> None:
        if self._of is not None:
            self.drop(self._of)

    def _begin(self) -> None:
        """Urgent rebuilds come first: otherwise others would be started, and aborted for them, over and over."""
        for collection in sorted(self._collections(), key=lambda each: not is_urgent(each, self._limits)):
            if collection.changed:
                inputs = choose(collection, self._limits)
                if inputs:
                    self._of, self._work = collection, rebuild(collection, inputs)
                    self._can_wait = all(part.built for part in inputs)
                    return
                collection.changed = False

    def _go_on(self, work: Generator[float]) -> float:
        try:
            return next(work)
        except StopIteration:
            self._failures = 0
        except Exception as error:  # noqa: BLE001 - the engine raises bare Exceptions; search goes on without the graph
            self._not_before = self._clock() + min(RETRY_LAST, RETRY_FIRST * 2**self._failures)
            self._failures += 1
            log.warning("no graph was built: %s", error)
        self._end()
        return 0.0

    def _end(self) -> None:
        self._of = self._work = None
        self._can_wait = False

    def _flush(self, collection: Collection, part: Part) -> None:
        """Also reclaims the space of deleted points, where that is quick."""
        if part not in collection.parts:
            return
        if part is collection.parts[-1] and collection.bytes_of(part) <= self._limits.loose:
            part.shard.optimize()
        part.flush()
