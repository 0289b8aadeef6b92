"""What a scorer looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
PLAIN = 4
"""Features beside those of the vectors: a constant, cosine, margin and density."""

CLOSEST = 1e-4
"""A distance from a cosine of 1 below which vectors differ by rounding."""


def among(similarities: Sequence[float] | Floats, rank: int) -> tuple[float, float]:
    """Margin and density of the candidate at this rank. similarities: of all candidates, the nearest first.

    The margin is how much nearer it is than the next, 0 for the last one; the density is the mean of them all.
    """
    following = min(rank + 1, len(similarities) - 1)
    return float(similarities[rank] - similarities[following]), float(np.mean(similarities))


@dataclass(frozen=True, slots=True)
class Matches:
    """Questions and, for each, the nearest cached one that no rule refuses. One row a question.

    cosine: of the two; NaN where there is none. margin, density: as `among` has them. questions, entries: the vectors.
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
        """One row a question: constant, nearness, margin, density, and the product of the vectors by component.

        The nearness is the cosine on a scale that does not press together what is near 1.
        """
        rows = np.empty((len(self), PLAIN + self.questions.shape[1]), np.float32)
        rows[:, 0] = 1
        rows[:, 1] = -np.log(np.maximum(1 - self.cosine, CLOSEST))
        rows[:, 2] = self.margin
        rows[:, 3] = self.density
        np.multiply(self.questions, self.entries, out=rows[:, PLAIN:])
        return rows
