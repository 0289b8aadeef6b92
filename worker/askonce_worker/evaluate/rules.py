"""Each rule of the guard by itself: what it prevents, what it loses, and whether that beats chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.evaluate.figures import Scores, wilson


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """Of the pairs that reach a cosine and that one rule refuses, whatever the others say.

    prevented: those with two answers. lost: those with one. precision: the share of the prevented, with its 95 %
    interval. share: that of all pairs that reach the cosine, which is the precision of a rule that refuses by lot.
    """

    rule: str
    threshold: float
    prevented: int
    lost: int
    precision: float
    low: float
    high: float
    share: float


def of_rules(scores: Scores, refused: Mapping[str, NDArray[np.bool_]], threshold: float) -> list[RuleFigures]:
    """Of each rule that refuses any, the one that refuses most first."""
    near = scores.similarity >= threshold
    share = float((near & ~scores.same).sum() / near.sum()) if near.any() else 0.0
    found = []
    for rule, of_rule in refused.items():
        prevented = int((near & of_rule & ~scores.same).sum())
        lost = int((near & of_rule & scores.same).sum())
        if prevented + lost:
            low, high = wilson(prevented, prevented + lost)
            precision = prevented / (prevented + lost)
            found.append(RuleFigures(rule, threshold, prevented, lost, precision, low, high, share))
    return sorted(found, key=lambda each: -(each.prevented + each.lost))
