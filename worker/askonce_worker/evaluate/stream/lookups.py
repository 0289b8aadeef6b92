"""What each question of a stream finds among the earlier ones: itself, or the most similar one that may serve it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.matches import Floats, Matches, Vectors, among
from askonce_worker.evaluate.stream.file import Stream
from askonce_worker.evaluate.stream.rules import Rules, fingerprint_of

CANDIDATES = 5
BLOCK = 512
"""Questions whose similarities are held in memory at once."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """One row per question.

    right: whether it has the same label as its match; False without a match.
    exact: whether the same text was asked before. Such a question is served whatever the policy, and its cosine is 1.
    """

    matches: Matches
    right: NDArray[np.bool_]
    exact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.right)


@dataclass(frozen=True, slots=True)
class _Reusable:
    """One row per question. first: where the same text was first asked and kept; -1 if it never was. compared: whether
    it takes part in the semantic search."""

    first: NDArray[np.intp]
    compared: NDArray[np.bool_]


def look_up(stream: Stream, vectors: Vectors, rules: Rules, on: Callable[[int], None]) -> Lookups:
    """vectors: one row per question, unit length. on: called with the number of questions done since the last call."""
    count = len(stream)
    reusable = _reusable(stream.texts, rules)
    exact = reusable.first >= 0
    entry = np.array(reusable.first)
    cosine, margin, density = np.where(exact, 1.0, np.nan), np.zeros(count), np.zeros(count)
    for start in range(0, count, BLOCK):
        places, nearness = _nearest(vectors, reusable.compared, start, min(start + BLOCK, count))
        for at, (found, near) in enumerate(zip(places, nearness, strict=True), start):
            known = near > -np.inf
            rank = _first(stream.texts, at, found[known], near[known], rules)
            if rank is not None:
                entry[at], cosine[at] = found[rank], near[rank]
                margin[at], density[at] = among(near[known], rank)
        on(len(places))
    right = (entry >= 0) & (stream.labels == stream.labels[entry])
    return Lookups(Matches(cosine, margin, density, vectors, vectors[entry]), right, exact)


def _reusable(texts: Sequence[str], rules: Rules) -> _Reusable:
    first, compared = np.full(len(texts), -1), np.zeros(len(texts), np.bool_)
    places: dict[str, int] = {}
    for at, text in enumerate(texts):
        reuse = rules.reuse(text)
        if reuse.from_cache:
            place = places.setdefault(fingerprint_of(text), at)
            first[at] = place if place < at else -1
            compared[at] = reuse.semantic and place == at
    return _Reusable(first, compared)


def _nearest(vectors: Vectors, compared: NDArray[np.bool_], start: int, end: int) -> tuple[NDArray[np.intp], Floats]:
    """For each question from `start` to `end`: where the most similar earlier ones are, best first, and their cosines.

    A cosine of -inf means that there is none.
    """
    similar = vectors[start:end] @ vectors[:end].T
    similar[np.arange(end) >= np.arange(start, end)[:, None]] = -np.inf
    similar[:, ~compared[:end]] = -np.inf
    similar[~compared[start:end]] = -np.inf
    if end > CANDIDATES:
        places = np.argpartition(similar, end - CANDIDATES, axis=1)[:, -CANDIDATES:]
    else:
        places = np.broadcast_to(np.arange(end), similar.shape)
    nearness = np.take_along_axis(similar, places, axis=1)
    order = np.argsort(-nearness, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(nearness, order, axis=1).astype(np.float64)


def _first(texts: Sequence[str], at: int, found: NDArray[np.intp], near: Floats, rules: Rules) -> int | None:
    """The rank of the nearest candidate that may serve the question."""
    ranks = (rank for rank, place in enumerate(found) if rules.passes(texts[at], texts[place], float(near[rank])))
    return next(ranks, None)
