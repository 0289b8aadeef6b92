"""The labels that a scorer is learnt from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.matches import Matches

KEPT = 8000
"""Records of a group: the newest."""


@dataclass(frozen=True, slots=True)
class Records:
    """Matches that were looked at, the oldest first.

    version: of the policy that was in force. right: whether one answer serves both. weight: the inverse of the chance
    that it would be looked at. judged: right by the judge's word alone.
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
