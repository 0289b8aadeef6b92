"""Hit rates, wrong hits and the threshold that follows from them. Pure: no I/O, no clock.

A pair is a hit at a threshold if its cosine reaches it and, with the guard on, the guard lets it pass. The hit rate is
a share of the same-answer pairs, the rate of wrong hits a share of all pairs, the precision a share of the hits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964
Z_CHOICE = 3.77
"""For the half that a threshold is chosen on: 1.96 + 1.28 * sqrt(2). Both halves vary by chance; with this margin
the other half confirms the limit at 95 % about nine times out of ten."""
STEPS = 10_000
"""Thresholds have four decimal places."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The pairs of one file: their cosine, whether one answer serves both, whether the guard lets them pass."""

    similarity: NDArray[np.float64]
    same: NDArray[np.bool_]
    passes: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> "Scores":
        return Scores(self.similarity[chosen], self.same[chosen], self.passes[chosen])

    def bare(self) -> "Scores":
        """As if there were no guard."""
        return Scores(self.similarity, self.same, np.ones_like(self.passes))


@dataclass(frozen=True, slots=True)
class Figures:
    """wrong: share of all pairs, with its 95 % interval. precision: None if nothing hits."""

    threshold: float
    pairs: int
    hit_rate: float
    wrong: float
    wrong_low: float
    wrong_high: float
    precision: float | None


def figures(scores: Scores, threshold: float) -> Figures:
    hit = (scores.similarity >= threshold) & scores.passes
    right = int((hit & scores.same).sum())
    wrong = int(hit.sum()) - right
    pairs, same = len(scores.same), int(scores.same.sum())
    low, high = wilson(wrong, pairs)
    return Figures(
        threshold=threshold,
        pairs=pairs,
        hit_rate=right / same if same else 0.0,
        wrong=wrong / pairs if pairs else 0.0,
        wrong_low=low,
        wrong_high=high,
        precision=right / (right + wrong) if right + wrong else None,
    )


def wilson(count: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share. (E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22, 1927. Unlike the normal interval it also holds for shares near 0, and wrong hits are rare.)"""
    if total == 0:
        return 0.0, 1.0
    share = count / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def allowed(pairs: int, max_error: float, z: float = Z_95) -> int:
    """The most wrong hits among `pairs` whose interval ends at or below `max_error`; 0 if `pairs` is too small."""
    count = int(max_error * pairs)
    while count > 0 and wilson(count, pairs, z)[1] > max_error:
        count -= 1
    return count


def pairs_needed(wrong: float, max_error: float) -> int:
    """How many pairs it takes to show a rate of at most `max_error` if a share `wrong` of them are wrong hits.

    The smallest number for which Wilson's interval ends at or below `max_error`. A share that is not below `max_error`
    counts as 0: even without a single wrong hit it takes this many pairs.
    """
    distance = max_error - wrong if wrong < max_error else max_error
    return math.ceil(Z_95 * Z_95 * max_error * (1 - max_error) / (distance * distance))


def least_threshold(scores: Scores, wrong_hits: int) -> float | None:
    """The lowest threshold with at most `wrong_hits` wrong hits, and so the one with the most hits.

    None if there are more even at a cosine of 1.
    """
    wrong = np.sort(scores.similarity[scores.passes & ~scores.same])[::-1]
    if len(wrong) <= wrong_hits:
        right = scores.similarity[scores.passes & scores.same]
        step = math.floor(float(right.min()) * STEPS) if len(right) else STEPS
    else:
        step = math.floor(float(wrong[wrong_hits]) * STEPS) + 1
    return None if step > STEPS else max(1, step) / STEPS


def choose(files: Sequence[Scores], max_error: float) -> float | None:
    """The lowest threshold within `max_error` on every file, with a margin. (A higher one never adds a wrong hit.)"""
    least = [least_threshold(scores, allowed(len(scores.same), max_error, Z_CHOICE)) for scores in files]
    known = [threshold for threshold in least if threshold is not None]
    return max(known) if len(known) == len(least) else None


def at_error(scores: Scores, max_error: float) -> Figures | None:
    """The figures where the curve crosses `max_error`. They describe these pairs and predict nothing for others."""
    threshold = least_threshold(scores, int(max_error * len(scores.same)))
    return None if threshold is None else figures(scores, threshold)


def grid(files: Sequence[Scores], extra: Sequence[float]) -> list[float]:
    """At most 13 thresholds worth showing, from the one that loses a tenth of the same-answer pairs up to 1."""
    right = np.concatenate([scores.similarity[scores.same] for scores in files])
    start = math.floor(float(np.quantile(right, 0.1)) * 100)
    step = next(size for size in (0.5, 1, 2, 5, 10) if (100 - start) / size <= 12)
    steps = np.arange(start, 100, step)
    return sorted({round(float(value) / 100, 4) for value in steps} | set(extra))
