"""The judge as a gate: from which score on a match that is no hit is put to it, and whether that pays.

Its hits are checked by lot like any other, and have a share of the budget of errors, which the threshold then has not.
What it has cost and saved counts over the requests that the ledger looks back on: once it was shut for as many, nothing
speaks against it any more, and it opens again, to look.
"""

from collections.abc import Sequence

from askonce_worker.audit.gamma_limit import upper_limit
from askonce_worker.audit.ledger import GATE, Slice
from askonce_worker.audit.policy import Policy
from askonce_worker.audit.threshold import chance_of_a_check

WIDTH = 2.0
"""The distance of a match that is put to the judge, in distances of the threshold from 1."""
ODDS = 1.5
"""The same for a learnt score, which is the logarithm of odds: below the threshold."""
LEAST_ASKED = 30
"""Matches that it was asked about, before it is told whether it pays."""
MOST_OF_BUDGET = 0.5
ALL_KNOWN = 1000.0
"""Requests from which on an upper limit of its wrong hits can be within the budget; before, what was found counts."""


def gate_share(slices: Sequence[Slice], budget: float) -> float | None:
    """The share of the requests that its hits may have answered wrongly. None: it does not pay, or errs too often."""
    sums = {name: sum(float(part.gate[at]) for part in slices) for at, name in enumerate(GATE)}
    requests = sum(part.requests for part in slices)
    if sums["asked"] >= LEAST_ASKED and sums["saved"] <= sums["cost"]:
        return None
    if not requests:
        return 0.0
    wrong, squares = sums["wrong"] / requests, sums["squares"] / requests**2
    if requests >= ALL_KNOWN:
        limit = float(upper_limit(wrong, squares, 1 / (chance_of_a_check(budget, requests) * requests)))
        wrong = min(limit, wrong + sums["served"] / requests)
    return None if wrong > MOST_OF_BUDGET * budget else wrong


def gate_from(policy: Policy) -> float | None:
    """The least score that is put to the judge."""
    if policy.threshold is None:
        return None
    if policy.weights is None:
        return 1 - WIDTH * (1 - policy.threshold)
    return policy.threshold - ODDS
