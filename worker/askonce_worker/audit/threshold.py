"""Chooses the score from which a group may be served so that its wrong hits stay within the budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.gamma_limit import upper_limit
from askonce_worker.audit.judge_errors import NOT_MEASURED, JudgeErrors
from askonce_worker.audit.ledger import WRONG, Slice
from askonce_worker.audit.scale import Edges

CHECKED = 8.0
"""Expected number of wrong hits among the checks of a window that uses up the budget. It sets how many are made."""
MOST, LEAST = 0.5, 0.01
"""Bounds of the probability of a check."""
BRAKES = ((1 / 2, 1.0), (1 / 4, 1.5), (1 / 8, 2.0))
"""Against drift: a latest share of the requests, and the rate of wrong hits in it, in budgets, that must not be
exceeded."""


@dataclass(frozen=True, slots=True)
class Choice:
    """threshold: None if nothing may be served. promised: hits, as a share of the requests."""

    threshold: float | None
    promised: float


NOTHING = Choice(None, 0.0)


def chance_of_a_check(budget: float, requests: float) -> float:
    """The probability that a hit is checked. requests: the number that the ledger covers."""
    wrong = budget * requests
    return float(min(MOST, max(LEAST, CHECKED / wrong))) if wrong > 0 else MOST


def choose(
    slices: Sequence[Slice], edges: Edges, budget: float, *, kept: float = 1.0, judge: JudgeErrors = NOT_MEASURED
) -> Choice:
    """The threshold with the most hits that stays within the budget.

    Args:
        slices: The ledger, oldest first.
        edges: The edges of the bins.
        budget: The share of the requests that may be served wrongly. (Hits that are checked before they are served cost
            nobody a wrong answer, but count as if they did. This is a margin.)
        kept: The lowest share of a slice's labels from which its sums were computed.
        judge: How often it is wrong. (That it calls some equal pairs different is another margin.)
    """
    requests = sum(part.requests for part in slices)
    if not requests:
        return NOTHING
    allowed = _with_unseen(_limit(slices, requests, budget, kept, judge), slices) <= budget
    for share, budgets in BRAKES:
        allowed &= _recent_rate(_latest(slices, share * requests), judge) <= budgets * budget
    regions = int(np.argmin(np.append(allowed[:-1], [False])))
    if not regions:
        return NOTHING
    labelled = _from_the_top(slices)[:, :, 1].sum(axis=1) / requests
    hits = _with_unseen(labelled, slices)[regions - 1]
    return Choice(float(edges[regions - 1]), float(hits))


def _with_unseen(shares: NDArray[np.float64], slices: Sequence[Slice]) -> NDArray[np.float64]:
    """Add unlabelled matches to shares of the requests that were computed from labelled matches, from each bin on.

    They are assumed to be like the labelled ones of the same region, because failures to judge may occur only among
    hits. What they add is at most all of them.
    """
    labelled = _from_the_top(slices)[:, :, 1].sum(axis=1)
    unknown = np.cumsum(sum(part.unknown for part in slices), dtype=np.float64)
    ratio = np.divide(unknown, labelled, out=np.full(len(unknown), _NO_LABEL), where=labelled > 0)
    requests = sum(part.requests for part in slices)
    return np.asarray(shares + np.minimum(ratio * shares, unknown / requests))


_NO_LABEL = 1e9
"""Instead of infinity, which times 0 would be NaN."""


def _limit(
    slices: Sequence[Slice], requests: float, budget: float, kept: float, judge: JudgeErrors
) -> NDArray[np.float64]:
    """The upper limit of the wrong hits from each bin on, as a share of the requests."""
    wrong, same = _from_the_top(slices)[:, WRONG], _judged(slices) / requests
    total, squares = wrong[:, 1] / requests, wrong[:, 2] / requests**2
    missed, stands_for = judge.missed, judge.missed.unit * same
    weight = np.maximum(1 / (kept * chance_of_a_check(budget, requests) * requests), stands_for)
    return upper_limit(total + missed.found * stands_for, squares + missed.found * stands_for**2, weight)


def _recent_rate(slices: Sequence[Slice], judge: JudgeErrors) -> NDArray[np.float64]:
    wrong = _from_the_top(slices)[:, WRONG, 1] + judge.missed.share * _judged(slices)
    return _with_unseen(np.asarray(wrong / sum(part.requests for part in slices)), slices)


def _judged(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """Cumulative weights from the top bin down."""
    return np.asarray(np.cumsum(sum(part.judged for part in slices), dtype=np.float64))


def _latest(slices: Sequence[Slice], requests: float) -> Sequence[Slice]:
    """The latest slices with this many requests in all; of the oldest one only the share that is needed."""
    found: list[Slice] = []
    for part in reversed(slices):
        if requests <= 0:
            break
        found.append(part.share(min(1.0, requests / part.requests) if part.requests else 1.0))
        requests -= part.requests
    return found


def _from_the_top(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """The cumulative sums of each bin and all above it."""
    return np.asarray(np.cumsum(sum(part.sums for part in slices), axis=0))
