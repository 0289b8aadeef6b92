"""The earlier questions that may serve a call: similar ones of its scope that no rule refuses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from askonce_worker.matching.match import Matcher
from askonce_worker.replay.expiry import Expiry, Until
from askonce_worker.replay.nearest import Near, Nearest
from askonce_worker.replay.texts import Texts
from askonce_worker.replay.windows import Item
from askonce_worker.replay.world import Passing

MOST = 20
"""Similar questions to consider for one call. A worker considers five from its cache; here some are in the cache of one
threshold but not in that of another."""
ABOUT_NOW = "about_now"


class Candidates:
    """matcher: with the lowest threshold of all worlds."""

    def __init__(self, directory: Path, matcher: Matcher, texts: Texts, least: float) -> None:
        self._directory = directory
        self._matcher = matcher
        self._texts = texts
        self._least = least
        self._nearest: Nearest | None = None
        self._stored = bytearray()
        self._expiry = Expiry()

    def near(self, items: Sequence[Item]) -> list[list[Near]]:
        """For each item (all have vectors) the similar earlier questions, best first."""
        vectors = [vector for item in items if (vector := item.vector) is not None]
        if not vectors:
            return []
        if self._nearest is None:
            self._nearest = Nearest(self._directory, len(vectors[0]), MOST)
        stored = self._nearest.search([item.question.scope for item in items], vectors, self._least)
        within = self._within(items, np.stack(vectors))
        return [_nearest_first(new, earlier) for new, earlier in zip(within, stored, strict=True)]

    def passing(self, item: Item, near: Sequence[Near]) -> list[Passing]:
        """The candidates that the rules let pass at the lowest threshold."""
        found = []
        for each in near:
            if each.number == item.number:
                continue
            refusals = self._matcher.refusals(item.question, self._texts.text_of(each.number), each.similarity)
            reason = next(refusals, None)
            if reason is None or (reason == ABOUT_NOW and next(refusals, None) is None):
                found.append(Passing(each.number, each.similarity, reason is not None))
        return found

    def store(self, items: Sequence[Item], until: Until, now: float) -> None:
        """Index the items whose calls were made, and remove those that no longer serve in any world."""
        if self._nearest is None:
            return
        gone = self._expiry.gone(until, now)
        if gone:
            self._nearest.remove(gone)
            for number in gone:
                self._stored[number] = 0
        new = {item.number: item for item in items if item.vector is not None and not self._is_stored(item.number)}
        if new:
            vectors = [vector for item in new.values() if (vector := item.vector) is not None]
            self._nearest.add(list(new), [item.question.scope for item in new.values()], vectors)
            for number in new:
                self._stored[number] = 1
                self._expiry.add(number, until(number))

    def _is_stored(self, number: int) -> bool:
        if number >= len(self._stored):
            self._stored.extend(bytes(max(1024, number + 1 - len(self._stored))))
        return bool(self._stored[number])

    def close(self) -> None:
        if self._nearest is not None:
            self._nearest.close()

    def _within(self, items: Sequence[Item], vectors: Any) -> list[list[Near]]:
        """For each item, the similar earlier ones in the same window."""
        similar = vectors @ vectors.T
        similar[np.triu_indices(len(items))] = -1.0
        found: list[list[Near]] = [[] for _ in items]
        for at, other in np.argwhere(similar >= self._least):
            if items[at].question.scope == items[other].question.scope:
                found[at].append(Near(items[other].number, float(similar[at, other])))
        return found


def _nearest_first(new: Sequence[Near], earlier: Sequence[Near]) -> list[Near]:
    """Each question once."""
    both = {near.number: near for near in (*earlier, *new)}
    return sorted(both.values(), key=lambda near: -near.similarity)[:MOST]
