"""The features of a match that a scorer uses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
PLAIN = 4
"""Number of features besides the vectors': a constant, cosine, margin and density."""

CLOSEST = 1e-4
"""Distance of the cosine from 1 below which vectors differ only by rounding."""


def among(similarities: Sequence[float] | Floats, rank: int) -> tuple[float, float]:
    """Margin and density of the candidate at this rank. similarities: those of all candidates, best first.

    The margin is the difference to the next candidate, 0 for the last; the density is the mean of all.
    """
    following = min(rank + 1, len(similarities) - 1)
    return float(similarities[rank] - similarities[following]), float(np.mean(similarities))


@dataclass(frozen=True, slots=True)
class Matches:
    """Questions and, for each, the most similar cached one that no rule refuses. One row per question.

    cosine: that of the two; NaN if there is no such match. margin, density: from `among`. questions, entries: vectors.
    """

    cosine: Floats
    margin: Floats
    density: Floats
    questions: Vectors
    entries: Vectors

    def __len__(self) -> int:
        return len(self.cosine)

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Matches":
        return Matches(
            self.cosine[chosen],
            self.margin[chosen],
            self.density[chosen],
            self.questions[chosen],
            self.entries[chosen],
        )

    def features(self) -> Vectors:
        """One row per question: constant, nearness, margin, density, and the componentwise product of the vectors.

        The nearness is the cosine on a scale that spreads out values near 1.
        """
        rows = np.empty((len(self), PLAIN + self.questions.shape[1]), np.float32)
        rows[:, 0] = 1
        rows[:, 1] = -np.log(np.maximum(1 - self.cosine, CLOSEST))
        rows[:, 2] = self.margin
        rows[:, 3] = self.density
        np.multiply(self.questions, self.entries, out=rows[:, PLAIN:])
        return rows
