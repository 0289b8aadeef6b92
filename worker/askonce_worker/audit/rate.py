"""The live rate of wrong hits: from a sample of checks, with its interval.

A hit is checked with a known chance p, so a wrong one that was checked stands for (1 - p) / p that were not. What was
not checked is predicted: its rate is gamma distributed given what was found, and its count is Poisson given the rate.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import astuple, dataclass
from typing import TypeVar

from askonce_worker.audit.gamma_limit import Z_95, Z_99, gamma_quantile
from askonce_worker.audit.judge_errors import NOT_MEASURED, JudgeErrors

HALF = 0.5
"""Of a wrong hit: it is added to those found. (H. Jeffreys, "Theory of Probability", 1961, for a Poisson rate.)"""

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a group was asked and served over some time. Additive: each worker adds up its own.

    answered: questions. unchecked: hits that were served and not checked. checks: of hits. stood_for, squares: of all
    checks, the sum of (1 - p) / p and of its square. wrong, wrong_squares: the same, of those that were wrong.
    served_wrong: how many of the wrong ones had been served before the check found out. same, different: of the checks
    that the judge has judged, what those stand for that it called so, what had been served before included.
    """

    answered: float = 0.0
    unchecked: float = 0.0
    checks: float = 0.0
    stood_for: float = 0.0
    squares: float = 0.0
    wrong: float = 0.0
    wrong_squares: float = 0.0
    served_wrong: float = 0.0
    same: float = 0.0
    different: float = 0.0

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Seen") -> "Seen":
        return Seen(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def unit(self) -> float:
        """How many unchecked hits a check stands for, in the mean over these."""
        return self.squares / self.stood_for if self.stood_for > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a group beforehand: as if `HALF` a wrong hit had been found among so many checks."""

    checks: float = 0.0

    def is_surprised_by(self, wrong: float, checks: float) -> bool:
        """Whether hardly one group in a hundred like this one would have so many wrong hits, or so few."""
        expected = HALF * checks / self.checks
        return abs(wrong - expected) > Z_99 * math.sqrt(expected + expected * expected / HALF) + HALF


@dataclass(frozen=True, slots=True)
class Estimate:
    """Wrong hits that were served, and the interval of 95 %: numbers of questions."""

    wrong: float
    low: float
    high: float


def estimate(seen: Seen, others: Known | None = None, judge: JudgeErrors = NOT_MEASURED) -> Estimate:
    """others: what is known from them. The group's own checks come before it where the two are at odds. judge: what it
    calls the same may be wrong, what it calls different may be right, and how often is known from a sample, too."""
    unit = seen.unit()
    if not seen.unchecked or not (unit or others):
        return Estimate(seen.served_wrong, seen.served_wrong, seen.served_wrong + seen.unchecked)
    unit = unit or 1.0
    if others is None or others.is_surprised_by(seen.wrong / unit, seen.stood_for / unit):
        others = Known()
    share = seen.unchecked / (seen.stood_for + others.checks * unit)
    misjudged = judge.missed.share * seen.same - judge.invented.share * seen.different
    mean = share * max(HALF * unit, seen.wrong + HALF * unit + misjudged)
    squares = seen.wrong_squares + HALF * unit * unit
    squares += judge.missed.squares(seen.same) + judge.invented.squares(seen.different)
    low, high = (float(gamma_quantile(mean, mean + share * share * squares, z)) for z in (-Z_95, Z_95))
    wrong = mean if others.checks else max(0.0, seen.wrong + misjudged)
    return Estimate(*(seen.served_wrong + min(each, seen.unchecked) for each in (wrong, low, high)))


def estimates(groups: Mapping[Group, Seen], judge: JudgeErrors = NOT_MEASURED) -> dict[Group, Estimate]:
    """Of each group: from its own checks, and the fewer these are, the more from all others'."""
    total = sum(groups.values(), Seen())
    return {name: estimate(seen, _known_from(total - seen), judge) for name, seen in groups.items()}


def _known_from(others: Seen) -> Known | None:
    unit = others.unit()
    return Known(HALF * others.stood_for / max(others.wrong, HALF * unit)) if unit else None
