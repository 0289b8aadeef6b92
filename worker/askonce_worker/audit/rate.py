"""The live rate of wrong hits, estimated from a sample of checks, with its interval.

A hit is checked with a known probability p, so a wrong one that was checked stands for (1 - p) / p that were not.
Unchecked hits are predicted: given what was found, their rate is gamma distributed; given the rate, their count is
Poisson.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import astuple, dataclass
from typing import TypeVar

from askonce_worker.audit.gamma_limit import Z_95, Z_99, gamma_quantile
from askonce_worker.audit.judge_errors import NOT_MEASURED, JudgeErrors

HALF = 0.5
"""Half a wrong hit is added to those found. (H. Jeffreys, "Theory of Probability", 1961, for a Poisson rate.)"""

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Seen:
    """A group's counts over a period. They are additive: each worker sums its own.

    answered: questions. unchecked: hits served without a check. checks: checked hits. stood_for, squares: the sums over
    all checks of (1 - p) / p and of its square. wrong, wrong_squares: the same over wrong hits. served_wrong: wrong
    hits that were served before their check. same, different: over the checks that the judge judged, how many hits
    those with this verdict stand for, including hits served before their check."""

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
        """How many unchecked hits a check stands for, averaged over those hits."""
        return self.squares / self.stood_for if self.stood_for > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """The prior of a group: as if `HALF` a wrong hit had been found among this many checks."""

    checks: float = 0.0

    def is_surprised_by(self, wrong: float, checks: float) -> bool:
        """Whether so many, or so few, wrong hits would occur in fewer than one in a hundred such groups."""
        expected = HALF * checks / self.checks
        return abs(wrong - expected) > Z_99 * math.sqrt(expected + expected * expected / HALF) + HALF


@dataclass(frozen=True, slots=True)
class Estimate:
    """The number of wrong hits served, with the 95 % interval."""

    wrong: float
    low: float
    high: float


def estimate(seen: Seen, others: Known | None = None, judge: JudgeErrors = NOT_MEASURED) -> Estimate:
    """others: the prior from other groups; it is dropped if it contradicts the group's own checks. judge: how often its
    verdicts are wrong in either direction, itself estimated from a sample."""
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
    """An estimate per group: from its own checks and, the fewer these are, the more from all other groups'."""
    total = sum(groups.values(), Seen())
    return {name: estimate(seen, _known_from(total - seen), judge) for name, seen in groups.items()}


def _known_from(others: Seen) -> Known | None:
    unit = others.unit()
    return Known(HALF * others.stood_for / max(others.wrong, HALF * unit)) if unit else None
