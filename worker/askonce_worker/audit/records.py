"""The labels from which a scorer is learnt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.matches import Matches

KEPT = 8000
"""The newest records of a group that are kept."""


@dataclass(frozen=True, slots=True)
class Records:
    """Audited matches, oldest first.

    version: that of the policy in force. right: whether one answer serves both. weight: the inverse of the probability
    of being audited. judged: whether only the judge called it right.
    """

    matches: Matches
    version: NDArray[np.intp]
    right: NDArray[np.bool_]
    weight: NDArray[np.float64]
    judged: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.version)

    def part(self, chosen: NDArray[np.bool_] | slice) -> "Records":
        facts = (self.version[chosen], self.right[chosen], self.weight[chosen], self.judged[chosen])
        return Records(self.matches.part(chosen), *facts)
