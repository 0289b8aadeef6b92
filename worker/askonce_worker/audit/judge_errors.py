"""How often the judge is wrong, measured on pairs that people have judged too, and how that adjusts its verdicts.

Each of these pairs stands for its share of all pairs with the same verdict: one on which people disagreed is a weighted
event, like a wrong hit among the checks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce_worker.audit.gamma_limit import Z_99

TRUSTED = 300.0
"""Until people have judged this many pairs, the judge counts as right on the missing ones, unless people have found
more mistakes than that can explain."""
HALF = 0.5
"""Half a mistake is expected beforehand among that many pairs, as in `rate.py`."""


@dataclass(frozen=True, slots=True)
class Errors:
    """The pairs with one verdict of the judge, same or different. pairs: how many of them people judged. found: on how
    many of these they disagreed."""

    found: float = 0.0
    pairs: float = 0.0

    @property
    def unit(self) -> float:
        """The share of all such pairs that one judged by people stands for."""
        return 1 / (self.pairs if self._is_surprising else max(self.pairs, TRUSTED))

    @property
    def share(self) -> float:
        """The share of such pairs with a wrong verdict."""
        return self.found * self.unit

    @property
    def _is_surprising(self) -> bool:
        expected = HALF * self.pairs / TRUSTED
        return self.found > expected + Z_99 * math.sqrt(expected + expected * expected / HALF) + HALF

    def squares(self, called: Any) -> Any:
        """The variance of the number of wrong verdicts among `called` such verdicts."""
        return (self.found + HALF) * (self.unit * called) ** 2


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """missed: differences that the judge called the same. invented: equal pairs that it called different."""

    missed: Errors = Errors()
    invented: Errors = Errors()


NOT_MEASURED = JudgeErrors()


def judge_errors(agreement: Mapping[str, float]) -> JudgeErrors:
    """agreement: counts by `judge's verdict:person's verdict`, as in `AuditKeys.agreement`."""
    return JudgeErrors(_errors(agreement, "same", "different"), _errors(agreement, "different", "same"))


def _errors(agreement: Mapping[str, float], judge: str, person: str) -> Errors:
    found = max(0.0, agreement.get(f"{judge}:{person}", 0.0))
    return Errors(found, found + max(0.0, agreement.get(f"{judge}:{judge}", 0.0)))
