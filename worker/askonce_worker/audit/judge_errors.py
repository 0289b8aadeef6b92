"""How often the judge is wrong, by the pairs that people have judged too, and what that adds to what it has said.

A pair of those looked at stands for its share of all that the judge called so: one with which people disagreed is a
weighted event, like a wrong hit among the checks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce_worker.audit.gamma_limit import Z_99

TRUSTED = 300.0
"""While people have looked at fewer pairs, the judge counts as if it had been right on the rest of so many: unless
they have found more mistakes than that allows."""
HALF = 0.5
"""Of a mistake: it is expected among so many pairs, as in `rate.py`."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Of the pairs that the judge called the same, or of the others. found: people called so many otherwise. pairs: so
    many they looked at."""

    found: float = 0.0
    pairs: float = 0.0

    @property
    def unit(self) -> float:
        """The share of all such pairs that one of those looked at stands for."""
        return 1 / (self.pairs if self._is_surprising else max(self.pairs, TRUSTED))

    @property
    def share(self) -> float:
        """Of such pairs, called wrongly."""
        return self.found * self.unit

    @property
    def _is_surprising(self) -> bool:
        expected = HALF * self.pairs / TRUSTED
        return self.found > expected + Z_99 * math.sqrt(expected + expected * expected / HALF) + HALF

    def squares(self, called: Any) -> Any:
        """The variance of what is wrong among so many that were called so."""
        return (self.found + HALF) * (self.unit * called) ** 2


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """missed: called the same, and different. invented: called different, and the same."""

    missed: Errors = Errors()
    invented: Errors = Errors()


NOT_MEASURED = JudgeErrors()


def judge_errors(agreement: Mapping[str, float]) -> JudgeErrors:
    """agreement: as in `AuditKeys.agreement`, `judge's verdict:person's verdict` -> how often."""
    return JudgeErrors(_errors(agreement, "same", "different"), _errors(agreement, "different", "same"))


def _errors(agreement: Mapping[str, float], judge: str, person: str) -> Errors:
    found = max(0.0, agreement.get(f"{judge}:{person}", 0.0))
    return Errors(found, found + max(0.0, agreement.get(f"{judge}:{judge}", 0.0)))
