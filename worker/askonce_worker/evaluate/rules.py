"""Each rule of the guard on its own: what it prevents, what it costs, and whether that beats chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.evaluate.figures import Scores, wilson


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """The pairs at or above a threshold that one rule refuses, whatever the other rules say.

    prevented: those with different answers. lost: those with the same answer.
    precision: the share of prevented pairs, with its 95 % interval from low to high.
    share: the share of different-answer pairs among all at or above the threshold: the precision of refusing at random.
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
    """The rules that refuse any pair; the one that refuses most comes first."""
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
