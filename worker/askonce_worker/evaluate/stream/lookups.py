"""What each question of a stream finds among all before it: an exact search, and the guard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.matches import Floats, Matches, Vectors
from askonce_worker.evaluate.stream.file import Stream
from askonce_worker.matching.match import conflict
from askonce_worker.matching.sameness import is_indistinct

CANDIDATES = 5
BLOCK = 512
"""Questions whose similarities are in memory at once."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """One row a question. right: whether it has the label of its match; false where it has none."""

    matches: Matches
    right: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.right)


Passes = Callable[[str, str, float], bool]


class Guard:
    """May one of two texts be served by the other's answer? What was compared once is remembered, for other orders."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}

    def passes(self, text: str, other: str, similarity: float) -> bool:
        key = (text, other) if text < other else (other, text)
        if key not in self._known:
            self._known[key] = conflict(text, other) is None and not is_indistinct(text, other, similarity)
        return self._known[key]


def look_up(stream: Stream, vectors: Vectors, passes: Passes, on: Callable[[int], None]) -> Lookups:
    """vectors: one row a question, unit length. on: called with how many questions are done since the last call."""
    count = len(stream)
    entry = np.full(count, -1)
    cosine, margin, density = np.full(count, np.nan), np.zeros(count), np.zeros(count)
    for start in range(0, count, BLOCK):
        places, nearness = _nearest(vectors, start, min(start + BLOCK, count))
        for at, (found, near) in enumerate(zip(places, nearness, strict=True), start):
            known = near > -np.inf
            rank = _first(stream.texts, at, found[known], near[known], passes)
            if rank is not None:
                entry[at], cosine[at] = found[rank], near[rank]
                margin[at], density[at] = _margin(near[known], rank), near[known].mean()
        on(len(places))
    right = (entry >= 0) & (stream.labels == stream.labels[entry])
    return Lookups(Matches(cosine, margin, density, vectors, vectors[entry]), right)


def _nearest(vectors: Vectors, start: int, end: int) -> tuple[NDArray[np.intp], Floats]:
    """For each question from `start` to `end` the nearest before it, the nearest first. -inf: there is none."""
    similar = vectors[start:end] @ vectors[:end].T
    similar[np.arange(end) >= np.arange(start, end)[:, None]] = -np.inf
    if end > CANDIDATES:
        places = np.argpartition(similar, end - CANDIDATES, axis=1)[:, -CANDIDATES:]
    else:
        places = np.broadcast_to(np.arange(end), similar.shape)
    nearness = np.take_along_axis(similar, places, axis=1)
    order = np.argsort(-nearness, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(nearness, order, axis=1).astype(np.float64)


def _first(texts: Sequence[str], at: int, found: NDArray[np.intp], near: Floats, passes: Passes) -> int | None:
    """The rank of the nearest candidate that the guard lets pass."""
    ranks = (rank for rank, place in enumerate(found) if passes(texts[at], texts[place], float(near[rank])))
    return next(ranks, None)


def _margin(near: Floats, rank: int) -> float:
    """How much nearer than the next; of the last one 0."""
    return float(near[rank] - near[min(rank + 1, len(near) - 1)])
