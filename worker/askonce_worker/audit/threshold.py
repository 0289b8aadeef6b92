"""From which score on a group may be served, so that its wrong hits stay within the budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.gamma_limit import upper_limit
from askonce_worker.audit.ledger import WRONG, Slice
from askonce_worker.audit.scale import Edges

CHECKED = 8.0
"""Wrong ones among the checks of all requests looked back on, if the budget is used up: so many are made."""
MOST, LEAST = 0.5, 0.01
"""The chance of a check has these bounds."""
BRAKES = ((1 / 2, 1.0), (1 / 4, 1.5), (1 / 8, 2.0))
"""Of the latest share of the requests, the rate of wrong hits in budgets that stops the serving: against drift."""


@dataclass(frozen=True, slots=True)
class Choice:
    """threshold: None where nothing may be served. promised: hits, as a share of the requests."""

    threshold: float | None
    promised: float


NOTHING = Choice(None, 0.0)


def chance_of_a_check(budget: float, requests: float) -> float:
    """Of a hit. requests: that the ledger looks back on."""
    wrong = budget * requests
    return float(min(MOST, max(LEAST, CHECKED / wrong))) if wrong > 0 else MOST


def choose(slices: Sequence[Slice], edges: Edges, budget: float) -> Choice:
    """The threshold with the most hits that keeps the budget.

    Args:
        slices: Of the ledger, the oldest first.
        edges: Of the bins.
        budget: The share of the requests that may be served wrongly. (Hits whose check came before the answer cost
            nobody a wrong one. They count as if they did: this is the margin.)
    """
    requests = sum(part.requests for part in slices)
    if not requests:
        return NOTHING
    unseen = _unseen(slices)
    allowed = unseen * _limit(slices, requests, budget) <= budget
    for share, budgets in BRAKES:
        allowed &= unseen * _rate(_latest(slices, share * requests)) <= budgets * budget
    regions = int(np.argmin(np.append(allowed[:-1], [False])))
    if not regions:
        return NOTHING
    hits = unseen * _from_the_top(slices)[regions - 1, :, 1].sum() / requests
    return Choice(float(edges[regions - 1]), float(hits))


def _unseen(slices: Sequence[Slice]) -> float:
    """How many matches one with a label stands for: those without are taken to be like the others."""
    labelled = sum(float(part.sums[:, :, 1].sum()) for part in slices)
    return 1 + sum(part.unknown for part in slices) / labelled if labelled else 1.0


def _limit(slices: Sequence[Slice], requests: float, budget: float) -> NDArray[np.float64]:
    """The upper limit of the wrong hits from each bin on, as a share of the requests."""
    wrong = _from_the_top(slices)[:, WRONG]
    weight = 1 / (chance_of_a_check(budget, requests) * requests)
    return upper_limit(wrong[:, 1] / requests, wrong[:, 2] / requests**2, weight)


def _rate(slices: Sequence[Slice]) -> NDArray[np.float64]:
    return np.asarray(_from_the_top(slices)[:, WRONG, 1] / sum(part.requests for part in slices))


def _latest(slices: Sequence[Slice], requests: float) -> Sequence[Slice]:
    """The latest slices, up to so many requests; of the one that goes beyond, the share that does not."""
    found: list[Slice] = []
    for part in reversed(slices):
        if requests <= 0:
            break
        found.append(part.share(min(1.0, requests / part.requests) if part.requests else 1.0))
        requests -= part.requests
    return found


def _from_the_top(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """The sums of each bin and of all above it."""
    return np.asarray(np.cumsum(sum(part.sums for part in slices), axis=0))
